import asyncio
import gc
import json
import time

import numpy as np
import pytest

from scanner_service.errors import ConfigError, ModelError, Overloaded
from scanner_service.inference import manifest
from scanner_service.inference.pool import ModelPool
from scanner_service.inference.word_shapes import Shape
from scanner_service.text import Span
from tests.inference import onnx_file, tiny

LEGIT_OR_INJECTION = """
[[models.tiny.heads]]
output = "logits"
kind = "sequence"
activation = "softmax"
labels = ["LEGIT", "INJECTION"]
"""
ALL_INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def of(label, predictions):
    return [(round(each.score, 3), each.span) for each in predictions if each.label == label]


async def say(pool, model, text):
    return await pool.predict(model, await asyncio.to_thread(pool.read, model, text))


def test_every_head_of_one_run_gives_predictions(play):
    async def scene(pool):
        said = await say(pool, "tiny", "damn John Smith attack")
        assert of("INJECTION", said) == [(0.982, Span(0, 22))]
        assert of("TOXICITY", said) == [(0.818, Span(0, 22))]  # sigmoid(3 / 2): the head has temperature 2
        assert of("PERSON", said) == [(0.993, Span(5, 15))]
        assert of("UNINTELLIGIBLE", said) == []

    play(scene)


def test_an_attack_anywhere_in_a_long_text_is_found_in_the_windows_that_cover_it(play):
    async def scene(pool):
        for place in range(0, 5000, 499):
            words = ["hello"] * 5000
            words[place] = "attack"
            text = " ".join(words)
            found = [span for score, span in of("INJECTION", await say(pool, "tiny", text)) if score > 0.5]
            assert found
            assert all("attack" in span.of(text) for span in found)
            assert all(score < 0.5 for score, _ in of("INJECTION", await say(pool, "tiny", "hello " * 5000)))

    play(scene)


def test_a_text_of_special_tokens_is_just_text(play):
    async def scene(pool):
        said = await say(pool, "tiny", "hello [SEP] attack [MASK] [PAD] [CLS]")
        assert max(of("INJECTION", said))[0] == 0.982

    play(scene)


@pytest.mark.parametrize("text", ["", "  \n "])
def test_nothing_is_said_about_a_blank_text(play, text):
    async def scene(pool):
        assert await say(pool, "tiny", text) == []

    play(scene)


def test_a_text_that_the_tokenizer_drops_whole_is_unintelligible(play):
    async def scene(pool):
        assert of("UNINTELLIGIBLE", await say(pool, "tiny", "\x01\x02\u200b")) == [(1.0, Span(0, 3))]

    play(scene)


def test_unknown_characters_are_reported_beside_the_scores(play):
    async def scene(pool):
        said = await say(pool, "tiny", "漢字 hi")
        assert of("UNINTELLIGIBLE", said) == [(0.5, Span(0, 5))]
        assert len(of("INJECTION", said)) == 1

    play(scene)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_an_exported_softmax_classifier_works_with_any_of_the_usual_inputs(play, count):
    logits = tiny.table({"attack": [-3.0, 3.0]}, [-1.0, -9.0])
    model = tiny.onnx_bytes({"logits": logits}, inputs=dict.fromkeys(ALL_INPUTS[:count], onnx_file.INT64))

    async def scene(pool):
        said = await say(pool, "tiny", "hello attack")
        assert of("INJECTION", said) == [(0.982, Span(0, 12))]  # softmax(-1, 3)
        assert of("LEGIT", said) == [(0.018, Span(0, 12))]

    play(scene, model=model, heads=LEGIT_OR_INJECTION, entry="")


def test_equal_calls_in_flight_share_one_run(play):
    async def scene(pool):
        runs = counted(pool)
        reading = pool.read("tiny", "hello attack")
        same = await asyncio.gather(*(pool.predict("tiny", reading) for _ in range(20)))
        assert len(runs) == 1
        assert all(each == same[0] for each in same)
        await asyncio.gather(say(pool, "tiny", "hello"), say(pool, "tiny", "world"))
        assert len(runs) == 3
        await say(pool, "tiny", "hello")  # nothing is kept once it has been answered
        assert len(runs) == 4

    play(scene)


def counted(pool):
    """What the model is given from now on."""
    submit, given = pool._batchers["tiny"].submit, []
    pool._batchers["tiny"].submit = lambda rows, finish: given.append(rows) or submit(rows, finish)
    return given


def test_a_text_of_one_window_has_its_answer_at_once_and_a_longer_one_waits(play):
    counts = []

    async def scene(pool):
        counts.clear()
        short, long = pool.read("tiny", "hello attack"), pool.read("tiny", "hello attack " * 1000)
        assert pool.predict_at_once("tiny", short) == await pool.predict("tiny", short)
        assert counts == [("tiny", "run", 1), ("tiny", "text", 1), ("tiny", "text", 1), ("tiny", "run", 1)]
        assert pool.predict_at_once("tiny", long) is None
        assert pool.predict_at_once("tiny", pool.read("tiny", " ")) is None

    play(scene, count=lambda *told: counts.append(told))


def test_a_shared_run_outlives_the_caller_that_began_it(play):
    async def scene(pool):
        text = "hello attack " * 20_000
        first, second = (asyncio.create_task(say(pool, "tiny", text)) for _ in range(2))
        await asyncio.sleep(0.01)
        first.cancel()
        assert max(of("INJECTION", await second))[0] == 0.982
        with pytest.raises(asyncio.CancelledError):
            await first

    play(scene, max_queued_windows=20_000)


def test_a_run_that_nobody_waits_for_any_more_ends(play):
    async def scene(pool):
        text = "hello attack " * 20_000
        callers = [asyncio.create_task(say(pool, "tiny", text)) for _ in range(3)]
        while not pool.queued_windows["tiny"]:
            await asyncio.sleep(0.001)
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)
        await asyncio.sleep(0)
        assert pool.queued_windows == {"tiny": 0}
        assert max(of("INJECTION", await say(pool, "tiny", text)))[0] == 0.982

    play(scene, max_queued_windows=20_000)


def test_a_text_of_more_windows_than_may_wait_is_refused(play):
    async def scene(pool):
        with pytest.raises(Overloaded):
            await say(pool, "tiny", "hello " * 1000)
        assert await say(pool, "tiny", "hello " * 100)

    play(scene, max_queued_windows=50)


@pytest.fixture
def without_garbage_collection():
    """As in the service, which collects in quiet moments; in the process of all tests it takes half a second."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("without_garbage_collection")
def test_the_event_loop_stays_free_while_a_long_text_is_read_and_judged(play):
    async def longest_pause(pool, text):
        task = asyncio.create_task(say(pool, "tiny", text))
        longest, last = 0.0, time.perf_counter()
        while not task.done():
            await asyncio.sleep(0.001)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now
        assert len(await task) > 10_000
        return longest

    async def scene(pool):
        text = "hello john smith 漢 [SEP] attack " * 15_000
        # The machine may be busy elsewhere: one undisturbed run shows what the pool does.
        for number in range(8):
            if (pause := await longest_pause(pool, f"{number} {text}")) < 0.3:
                break
        assert pause < 0.3  # most of a second if the tokenizer held the interpreter

    play(scene, max_queued_windows=100_000)


def test_it_is_ready_once_every_model_has_passed_its_self_test(play, tmp_path):
    async def scene(pool):
        assert pool.ready
        assert set(pool.info) == {"tiny"}
        await pool.aclose()
        assert not pool.ready
        with pytest.raises(Overloaded):
            await say(pool, "tiny", "hello")

    play(scene)
    assert not ModelPool(manifest.load(tmp_path / "manifest.toml"), ["tiny"]).ready


def failing_start(play, **files):
    async def scene(pool):
        pytest.fail("it started")

    with pytest.raises((ModelError, ConfigError)) as caught:
        play(scene, **files)
    return str(caught.value)


def test_a_model_that_fails_its_self_test_does_not_start(play):
    message = failing_start(play, entry='self_test = "hello"')
    assert "model `tiny` failed its self-test: `INJECTION` must reach 0.500 and scores 0.018" in message


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"injection"', '"jailbreak"', "model `tiny`: it has no output `jailbreak`; there are: injection"),
        (
            '["TOXICITY", "THREAT"]',
            '["TOXICITY"]',
            "output `toxicity` has the shape (1, 2) where the manifest says (1, 1)",
        ),
        ('"B-LOCATION", "I-LOCATION"', '"B-LOCATION"', "output `entities` has the shape (1, 3, 5)"),
    ],
)
def test_a_model_that_is_not_what_the_manifest_says_does_not_start(play, old, new, message):
    assert message in failing_start(play, heads=tiny.HEADS.replace(old, new))


def test_a_file_that_changed_since_the_manifest_was_written_is_not_parsed(tmp_path):
    async def scene():
        path = tiny.write(tmp_path)
        (tmp_path / "tokenizer.json").write_bytes(tiny.tokenizer_json(decoder={"type": "WordPiece"}))
        pool = ModelPool(manifest.load(path), ["tiny"])
        with pytest.raises(ModelError, match=r"tokenizer\.json: its SHA-256 is"):
            await pool.start()
        await pool.aclose()

    asyncio.run(scene())


def test_what_is_no_tokenizer_is_named_with_its_model(play):
    assert "manifest.toml: model `tiny`: not a tokenizer" in failing_start(play, tokenizer=json.dumps({}).encode())


def test_a_model_that_is_not_in_the_manifest_is_an_error_that_lists_those_there_are(tmp_path):
    with pytest.raises(ConfigError, match="there is no model `huge`; there are: tiny"):
        ModelPool(manifest.load(tiny.write(tmp_path)), ["tiny", "huge"])


def test_only_the_models_that_are_named_are_loaded(tmp_path):
    async def scene():
        path = tiny.write(tmp_path)
        (tmp_path / "tiny.onnx").unlink()
        pool = ModelPool(manifest.load(path), [])
        await pool.start()
        assert pool.ready
        with pytest.raises(ModelError, match="not loaded"):
            await say(pool, "tiny", "hello")
        await pool.aclose()

    asyncio.run(scene())


@pytest.mark.parametrize("bad", [float("inf"), float("nan")])
def test_a_score_that_is_not_a_number_is_an_error_of_that_text_alone(play, bad):
    model = tiny.onnx_bytes({"injection": tiny.INJECTION, "toxicity": tiny.TOXICITY}, {"entities": not_finite(bad)})

    async def scene(pool):
        texts = ["attack", "evil", "hello"]
        attack, evil, hello = await asyncio.gather(*(say(pool, "tiny", text) for text in texts), return_exceptions=True)
        assert of("INJECTION", attack) == [(0.982, Span(0, 6))]
        assert isinstance(evil, ModelError)
        assert str(evil) == "output `entities` is not finite"
        assert of("INJECTION", hello) == [(0.018, Span(0, 5))]

    play(scene, model=model)


def test_a_model_can_be_told_how_words_are_written(play):
    """Its table has one part for each shape; only a capitalized `smith` is a person."""
    parts = [tiny.ENTITIES.copy() for _ in Shape]
    for shape, part in zip(Shape, parts, strict=True):
        if shape != Shape.CAPITALIZED:
            part[tiny.VOCABULARY["smith"]] = [6, 0, 0, 0, 0]
    other = {"injection": np.tile(tiny.INJECTION, (len(Shape), 1)), "toxicity": np.tile(tiny.TOXICITY, (len(Shape), 1))}
    model = tiny.onnx_bytes(other, {"entities": np.concatenate(parts)})

    async def scene(pool):
        said = await say(pool, "tiny", "smith lives, Smith " * 20)
        assert [span for _, span in of("PERSON", said)] == [Span(at, at + 5) for at in range(13, 380, 19)]
        assert of("PERSON", await say(pool, "tiny", "smith lives, smith")) == []
        assert max(of("INJECTION", await say(pool, "tiny", "Smith ATTACK world")))[0] == 0.982

    play(scene, model=model, entry=f'self_test = "attack"\nshape_stride = {len(tiny.VOCABULARY)}')


def not_finite(bad):
    """The table of entities with a value for `evil` that no threshold can be compared with."""
    words = tiny.ENTITIES.copy()
    words[tiny.VOCABULARY["evil"], 1] = bad
    return words


def test_what_a_model_is_given_is_counted_by_text_and_by_run(play):
    counted = []

    async def scene(pool):
        await say(pool, "tiny", "hello " * 300)

    play(scene, count=lambda *given: counted.append(given))
    (windows,) = [number for _, per, number in counted if per == "text"]
    assert windows > 1
    assert sum(number for _, per, number in counted if per == "run") == windows
    assert {model for model, _, _ in counted} == {"tiny"}
