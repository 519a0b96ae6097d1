"""What conditions promise: text that reads back, one 1 per attribute, errors that say what is allowed."""

import itertools
import json

import numpy as np
import pytest

from tintype import conditions
from tintype.conditions import Vocabulary
from tintype.console import UserError

HAIR = ["black", "blond", "red"]
SHIRT = ["blue", "white"]
ALL = [conditions.write({"shirt": shirt, "hair": hair}) for hair, shirt in itertools.product(HAIR, SHIRT)]


@pytest.mark.parametrize(
    ("attributes", "text"),
    [
        ({}, ""),
        ({"hair": "red"}, "hair=red"),
        ({"shirt": "blue", "hair": "red"}, "hair=red shirt=blue"),
        ({"été": "öl", "b": "1", "B": "light-red"}, "B=light-red b=1 été=öl"),
    ],
)
def test_a_condition_is_written_with_sorted_names_and_reads_back(attributes, text):
    assert conditions.write(attributes) == text
    assert conditions.read(text) == attributes


@pytest.mark.parametrize("word", ["", "light red", " red", "red\n", "a=b", "\u2003", "a\tb"])
def test_words_that_would_not_read_back_are_not_written(word):
    for attributes in ({"hair": word}, {word: "red"}):
        with pytest.raises(UserError, match="one word without '='"):
            conditions.write(attributes)


@pytest.mark.parametrize("text", ["hair", "hair=", "=red", "hair=red shirt", "hair=a=b", "="])
def test_text_that_is_no_condition_is_explained(text):
    with pytest.raises(UserError, match="is not name=value") as caught:
        conditions.read(text)
    assert repr(text) in str(caught.value)


def test_an_attribute_has_one_value():
    with pytest.raises(UserError, match="hair stands there twice"):
        conditions.read("hair=red shirt=blue hair=red")


def test_a_vocabulary_holds_each_attribute_and_value_once_and_sorted():
    vocabulary = Vocabulary.of(ALL)
    assert vocabulary.table == {"hair": HAIR, "shirt": SHIRT}
    assert list(vocabulary.table) == ["hair", "shirt"]
    assert vocabulary.size == 5


def test_a_vocabulary_depends_on_neither_order_nor_number_of_its_conditions():
    for some in (ALL[::-1], ALL * 3, iter(ALL), set(ALL)):
        assert Vocabulary.of(some).table == Vocabulary.of(ALL).table


def test_a_vocabulary_kept_as_json_gives_the_same_vectors():
    before = Vocabulary.of(ALL)
    shuffled = dict(reversed(json.loads(json.dumps(before.table)).items()))
    after = Vocabulary({name: values[::-1] for name, values in shuffled.items()})
    for condition in ALL:
        np.testing.assert_array_equal(after.one_hot(condition), before.one_hot(condition))


def test_a_vector_has_a_1_at_the_value_of_each_attribute():
    vocabulary = Vocabulary.of(ALL)
    vector = vocabulary.one_hot("hair=blond shirt=white")
    assert vector.dtype == np.uint8
    assert vector.tolist() == [0, 1, 0, 0, 1]
    assert vocabulary.one_hot("shirt=white hair=blond").tolist() == [0, 1, 0, 0, 1]
    assert vocabulary.one_hot({"shirt": "blue", "hair": "black"}).tolist() == [1, 0, 0, 1, 0]


def test_different_conditions_have_different_vectors():
    vocabulary = Vocabulary.of(ALL)
    vectors = np.stack([vocabulary.one_hot(condition) for condition in ALL])
    assert len(np.unique(vectors, axis=0)) == len(ALL)
    assert (vectors.sum(axis=1) == 2).all()


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("hair=pink shirt=blue", "hair: found 'pink', allowed: black, blond, red"),
        ("hair=Red shirt=blue", "hair: found 'Red', allowed: black, blond, red"),
        ("hair=red", "shirt: missing, allowed: blue, white"),
        ("", "hair: missing, allowed: black, blond, red"),
        ("hair=red shirt=blue eyes=green", "eyes: no attribute of these pictures; allowed: hair, shirt"),
        ({"hair": "red", "shirt": 7}, "shirt: found 7, allowed: blue, white"),
    ],
)
def test_what_the_table_lacks_is_named_with_what_is_allowed(condition, message):
    with pytest.raises(UserError) as caught:
        Vocabulary.of(ALL).one_hot(condition)
    assert str(caught.value) == message


def test_an_empty_condition_suits_an_empty_vocabulary_only():
    empty = Vocabulary.of(["", ""])
    assert (empty.table, empty.size) == ({}, 0)
    for condition in ("", {}):
        assert empty.one_hot(condition).shape == (0,) and empty.one_hot(condition).dtype == np.uint8
    with pytest.raises(UserError, match="hair: no attribute of these pictures; allowed: none"):
        empty.one_hot("hair=red")
