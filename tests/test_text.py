"""Text, views and spans: where every character came from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner_service.text import Span, Text, View
from tests.timing import least_seconds


@st.composite
def views_with_edits(draw, view=None):
    """A view and edits in order and apart from each other."""
    view = view or View.identity(draw(st.text(max_size=40)))
    cuts = sorted(draw(st.lists(st.integers(0, len(view.text)), max_size=8)))
    spans = [Span(start, end) for start, end in zip(cuts[::2], cuts[1::2], strict=False)]
    return view, [(span, draw(st.text(max_size=5))) for span in spans]


@st.composite
def rewritten_views(draw):
    """The original and a view of it that was rewritten up to three times."""
    original = draw(st.text(max_size=40))
    view = View.identity(original)
    for _ in range(draw(st.integers(0, 3))):
        view, edits = draw(views_with_edits(view=view))
        view = view.rewrite(edits)
    return original, view


@pytest.mark.parametrize(("start", "end"), [(-1, 2), (3, 2)])
def test_a_span_runs_forward_from_zero_on(start, end):
    with pytest.raises(ValueError, match="not a span"):
        Span(start, end)


def test_a_span_cuts_out_its_characters():
    assert Span(1, 3).of("abcd") == "bc"
    assert len(Span(1, 3)) == 2


def test_a_view_needs_a_source_for_each_character():
    with pytest.raises(ValueError, match="one start and one end"):
        View("ab", [0], [1])


def test_an_identity_view_allocates_nothing_per_character():
    view = View.identity("a" * 1000)
    assert isinstance(view.starts, range)
    assert isinstance(view.ends, range)


@given(st.text(), st.data())
def test_an_identity_view_maps_every_span_to_itself(text, data):
    end = data.draw(st.integers(0, len(text)))
    span = Span(data.draw(st.integers(0, end)), end)
    assert View.identity(text).to_original(span) == span


@given(st.text())
def test_a_rewrite_without_edits_is_the_same_view(text):
    view = View.identity(text)
    assert view.rewrite([]) is view


@given(views_with_edits())
def test_a_rewrite_is_the_text_with_its_edits(case):
    view, edits = case
    expected, at = "", 0
    for span, replacement in edits:
        expected += view.text[at : span.start] + replacement
        at = span.end
    assert view.rewrite(edits).text == expected + view.text[at:]


@given(views_with_edits())
def test_characters_outside_edits_come_from_themselves_and_new_ones_from_what_they_replace(case):
    view, edits = case
    rewritten = view.rewrite(edits)
    shift = 0
    for span, replacement in edits:
        new = Span(span.start + shift, span.start + shift + len(replacement))
        if new:
            assert rewritten.to_original(new) == span
        shift += len(replacement) - len(span)
    replaced = {at for span, _ in edits for at in range(span.start, span.end)}
    kept = [at for at in range(len(view.text)) if at not in replaced]
    sources = list(zip(rewritten.starts, rewritten.ends, strict=True))
    assert all((at, at + 1) in sources for at in kept)


@given(rewritten_views(), st.data())
def test_every_span_of_every_view_lies_inside_the_original(case, data):
    original, view = case
    end = data.draw(st.integers(0, len(view.text)))
    span = view.to_original(Span(data.draw(st.integers(0, end)), end))
    assert 0 <= span.start <= span.end <= len(original)


@given(rewritten_views(), st.data())
def test_a_wider_span_never_maps_to_less(case, data):
    _, view = case
    ends = sorted(data.draw(st.lists(st.integers(0, len(view.text)), min_size=4, max_size=4)))
    outer, inner = Span(ends[0], ends[3]), Span(ends[1], ends[2])
    if inner:
        wide, narrow = view.to_original(outer), view.to_original(inner)
        assert wide.start <= narrow.start
        assert narrow.end <= wide.end


@given(rewritten_views())
def test_the_sources_of_a_rewritten_view_begin_in_order(case):
    _, view = case
    assert list(view.starts) == sorted(view.starts)


@given(views_with_edits(), st.data())
def test_a_slice_maps_as_its_view_does(case, data):
    view, edits = case
    view = view.rewrite(edits)
    end = data.draw(st.integers(0, len(view.text)))
    span = Span(data.draw(st.integers(0, end)), end)
    part = view.slice(span)
    assert part.text == span.of(view.text)
    if span:
        assert part.to_original(Span(0, len(part.text))) == view.to_original(span)


@given(st.text(min_size=1), st.text(min_size=1), st.text(max_size=2))
def test_joined_views_keep_their_sources(left, right, separator):
    view = View.identity(left + right)
    parts = [view.slice(Span(0, len(left))), view.slice(Span(len(left), len(left + right)))]
    joined = View.joined(parts, separator)
    assert joined.text == left + separator + right
    after = Span(len(left) + len(separator), len(joined.text))
    assert joined.to_original(after) == Span(len(left), len(left + right))
    assert joined.to_original(Span(0, len(joined.text))) == Span(0, len(left + right))


def test_joining_no_views_is_an_empty_view():
    assert View.joined([]).text == ""


@pytest.mark.parametrize(
    "edits",
    [
        [(Span(2, 3), ""), (Span(0, 1), "")],
        [(Span(0, 2), ""), (Span(1, 3), "")],
        [(Span(2, 9), "")],
    ],
    ids=["out of order", "overlapping", "outside"],
)
def test_edits_that_are_not_in_order_apart_and_inside_are_refused(edits):
    with pytest.raises(ValueError, match="edits must be in order"):
        View.identity("abcd").rewrite(edits)


def test_a_span_outside_the_view_is_refused():
    with pytest.raises(ValueError, match="outside a view of 3 characters"):
        View.identity("abc").to_original(Span(1, 4))


def test_a_text_derives_each_view_once():
    calls = []

    def derive(view, check):
        calls.append(view.text)
        return [view]

    text = Text("abc")
    assert text.views(derive) is text.views(derive)
    assert calls == ["abc"]


def test_a_rewrite_of_many_edits_takes_linear_time():
    edits = [(Span(at, at + 1), "xy") for at in range(0, 200_000, 2)]
    view = View.identity("a" * 200_000)
    assert least_seconds(lambda: view.rewrite(edits), enough=3) <= 3
