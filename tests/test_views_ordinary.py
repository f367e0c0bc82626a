"""Ordinary text in any script is left alone, at next to no cost."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner_service.text import View
from scanner_service.views import VIEWS, invisible_runs
from scanner_service.views.forms import _REGIONS
from tests.corpora import benign_document

ORDINARY = {
    "English": "The committee met on Tuesday; I went with a friend; it wasn't as dull as we'd feared (£3.50 each).",
    "French": "Où est-ce que l'élève a mis ses œuvres ? « Ça m'étonnerait », répondit-il à voix basse.",
    "Spanish": "¿Cuándo llegará el niño? La 1ª vez tardó 2½ horas… ¡Qué lástima!",
    "German": "Die Geschwindigkeitsbegrenzung gilt für Straßenbahnen in Großstädten über 500.000 Einwohner nicht.",
    "Vietnamese": "Hôm nay trời đẹp quá, chúng ta đi dạo quanh hồ Hoàn Kiếm nhé, rồi ăn phở ở phố cổ.",
    "Turkish": "İstanbul'da yağmurlu bir günde ılık çay içmek ve balık yemek çok güzeldir.",
    "Polish": "Zażółć gęślą jaźń; w Szczebrzeszynie chrząszcz brzmi w trzcinie.",
    "Russian": "Он сказал, что там нет никого, кроме нас, а вот кот сам сел на тахту у окна.",
    "Russian with Latin words": "Мы поставили PDF на IT-рынке, и Wi-Fi там ловит хорошо, а USB-порт сломан.",
    "Ukrainian": "Її їжак їв ягоди, а ґава сиділа на гілці та співала про щось своє.",
    "Bulgarian": "Това е много хубав ден за разходка в парка с децата и кучето.",
    "Greek": "Καλημέρα σας, τι κάνετε σήμερα; Όλα καλά, ευχαριστώ πολύ, εσείς;",
    "Armenian": "Բարև ձեզ, ինչպե՞ս եք այսօր, հույս ունեմ, որ ամեն ինչ լավ է։",
    "Georgian": "გამარჯობა, როგორ ხართ დღეს? იმედი მაქვს, რომ ყველაფერი კარგად არის.",
    "Cherokee": "ᎣᏏᏲ, ᏙᎯᏧ? ᎠᏯ ᏣᎳᎩ ᎦᏬᏂᎯᏍᏗ ᏥᏬᏂᎭ.",
    "Hebrew": "שלום, מה שלומך היום? אני מקווה שהכול בסדר — בְּרֵאשִׁית בָּרָא אֱלֹהִים.",
    "Hebrew with marks": "הוא אמר \u200f(בשקט)\u200f שהמחיר הוא \u200e5 USD\u200e בלבד.",
    "Arabic": "السلام عليكم، كيف حالك اليوم؟ بِسْمِ اللَّهِ الرَّحْمَٰنِ الرَّحِيمِ",
    "Arabic with isolates": "اسم الملف هو \u2068report.pdf\u2069 فقط.",
    "Persian": "می‌خواهم کتاب‌هایی را که خریده‌ام به خانه‌ام ببرم.",
    "Urdu": "میں آج بازار جا رہا ہوں، کیا آپ کو کچھ چاہیے؟",
    "Hindi": "आज मौसम बहुत अच्छा है, क्या हम बाहर चलें? क्‍षमा करें, मैं देर से आया।",
    "Bengali": "আমি বাংলায় কথা বলতে পারি, র‍্যাব আজ এসেছিল।",
    "Tamil": "இன்று வானிலை மிகவும் நன்றாக இருக்கிறது, வெளியே போகலாமா?",
    "Malayalam": "ഇന്ന് നല്ല കാലാവസ്ഥയാണ്, അവന്‍ പുറത്തു പോയി.",
    "Sinhala": "ශ්‍රී ලංකාව ඉතා ලස්සන රටකි.",
    "Thai": "วันนี้อากาศดีมาก\u200bเราไปเดินเล่นกันเถอะ",
    "Khmer": "សួស្តី\u200bតើ\u200bអ្នក\u200bសុខសប្បាយ\u200bទេ",
    "Burmese": "မင်္ဂလာပါ၊ နေကောင်းလား။",
    "Chinese": "今天天气很好，我们去公园散步吧！“真的吗？”他问道：（是的）。",
    "Japanese": "２０２４年１月、東京でカンファレンスがありました。ｶﾀｶﾅも葛󠄀城市も大丈夫です。",
    "Korean": "오늘 날씨가 정말 좋네요. 공원에 산책하러 갈까요?",
    "Amharic": "ሰላም፣ እንዴት ነህ? ዛሬ አየሩ በጣም ጥሩ ነው።",
    "Mongolian": "ᠮᠣᠩᠭᠣᠯ ᠬᠡᠯᠡ\u180e ᠪᠢᠴᠢᠭ᠌",
    "decomposed accents": "Cafe\u0301 cre\u0300me, nin\u0303o, Vie\u0323\u0302t Nam",
    "emoji": "Well done 👍🏽! 👨‍👩‍👧‍👦 ❤️ ☺️ 1️⃣ #️⃣ 🏳️‍🌈 🧑🏿‍🚀 ⚠︎ ©️ 👩‍❤️‍💋‍👨",
    "flags": "🇩🇪 🇫🇷🇺🇸🇯🇵 🏴󠁧󠁢󠁥󠁮󠁧󠁿 🏴󠁧󠁢󠁳󠁣󠁴󠁿 🏴‍☠️",
    "signs": "Acme™ №5 ½ cup, 20 °C, 5 µm, 3 kΩ, E = mc², x₁ ≤ ∑ α? ① ② Ⅳ… “quoted” – dash — and a\u00a0space",
    "mathematics": "Let α + β = γ, sin θ ≈ θ, and ∀x ∈ S: f(x) = a·x + b, so a b c d are coefficients.",
    "Python": "def f(a, b, c, d, e):\n    x = a + b * c - d / e\n    return [i for i in range(10) if i % 2 == 0]\n",
    "names in code": "user_id = get_user_by_id(request.args['id']); self.assertEqual(getElementById('x'), None)",
    "JSON": '{"id": 1, "tags": ["a", "b", "c"], "ok": true, "path": "C:\\\\Users\\\\me", "e": "a@b.com"}',
    "HTML": "<p class=\"a b\">Tom &amp; Jerry &lt;3 &quot;cheese&quot;&nbsp;</p><!-- x --><br/>",
    "address": "See https://www.example.com/how-to-make-a-pizza?size=10&q=a%20b#top, ftp://x.y/z or me@example.org.",
    "table": "| a | b | c |\n|---|---|---|\n| 1 | 2 | 3 |\n| x | y | z |\n",
    "hex dump": "00000000: 7f45 4c46 0201 0100 0000 0000 0000 0000  .ELF............",
    "hashes": "commit 3f786850e387550fdab836ed7e6dc881de23001b, md5 d41d8cd98f00b204e9800998ecf8427e",
    "versions": "Python 3.11.7, GPT-4o, H2O, b2b, 3D, covid19, log4j, k8s, i18n, SHA256, UTF-8, x86_64, 1st, 10km, 5G",
    "choices": "A) yes B) no C) maybe D) I do not know. Answer: B. Grades: A A B C D F.",
    "columns": "a             b             c             d\n1             x             2             y\n",
    "phonetics": "/\u02c8f\u0259\u028a.n\u0259\u02ccti\u02d0k/, [a\u02d0 e\u02d1 i\u02d0 o\u02d1], Hawai\u02bbi",
    "letters of Chinese": "甲，乙，丙，丁；上、下；一．二．三",
    "abbreviations": "The U.S. and the U.K., i.e. e.g. a.k.a. J. R. R. Tolkien, P.S. I.B.M. vs. N.A.S.A.",
    "a spelled word": "It is spelled C-A-T.",
    "shouting": "NOOOOOO!!!! whyyyyyyyyyyyyyyyyyyyyy ........... hahahahahahahaha ---------- ==========",
    "byte order mark": "\ufeffname,price\napple,1\n",
    "hyphenation": "Donau\u00addampf\u00adschiff".replace("\u00ad", "-"),
}  # fmt: skip


@pytest.mark.parametrize("text", ORDINARY.values(), ids=ORDINARY)
def test_ordinary_text_is_its_own_normalized_view(text):
    view = View.identity(text)
    normalized, *_ = VIEWS["normalized"](view)
    assert normalized is view, normalized.text


@pytest.mark.parametrize("text", ORDINARY.values(), ids=ORDINARY)
def test_ordinary_text_says_nothing_in_an_encoding(text):
    assert VIEWS["decoded"](View.identity(text)) == []


@pytest.mark.parametrize("text", ORDINARY.values(), ids=ORDINARY)
def test_ordinary_text_has_no_invisible_characters_out_of_place(text):
    assert list(invisible_runs(text)) == []


def test_a_document_is_its_own_normalized_view():
    view = View.identity(benign_document(30_000))
    assert VIEWS["normalized"](view)[0] is view
    assert VIEWS["decoded"](view) == []


@given(st.text())
def test_the_raw_view_is_the_text_itself(text):
    view = View.identity(text)
    assert VIEWS["raw"](view) == (view,)


@given(st.text(st.characters(max_codepoint=0x7E, categories=["Ll", "Zs"]), max_size=200))
def test_a_view_that_is_not_the_text_itself_differs_from_it(text):
    view = View.identity(text)
    normalized, *_ = VIEWS["normalized"](view)
    assert normalized is view or normalized.text != text


def test_every_recommended_flag_is_known():
    assert len(_REGIONS) == 258


@pytest.mark.parametrize(("name", "microseconds"), [("normalized", 20), ("decoded", 50)])
def test_ordinary_text_costs_next_to_nothing(name, microseconds):
    view = View.identity(benign_document(1000)[:1000])
    derive = VIEWS[name]

    def cost():
        start = time.thread_time_ns()
        for _ in range(200):
            derive(view)
        return (time.thread_time_ns() - start) / 200 / 1000

    # The best of many rounds is what the code costs; four times as much is allowed to slower machines.
    assert min(cost() for _ in range(10)) < 4 * microseconds
