"""Locations files, in the shapes in which they are published."""

from pathlib import Path

import pytest

from simulator import files
from simulator.objects import LOCATIONS, Objects
from simulator.ocpi import Party

ONE = '{"id": 17, "country_code": "GB", "party_id": "CGY", "status": "WORKING", "x": 1.50}'
TWO = '{"id": "L2", "evses": null}'
SHAPES = {
    "array": f"[{ONE}, {TWO}]",
    "array with a byte order mark": f"\ufeff[{ONE}, {TWO}]",
    "lines": f"{ONE}\n{TWO}\n",
    "lines with gaps": f"\n{ONE}\n\n{TWO}\n\n",
    "response": f'{{"status_code": 1000, "data": [{ONE},\n {TWO}]}}',
    "responses, one a line": f'{{"data": [{ONE}]}}\n{{"data": [{TWO}]}}\n',
    "recorded answer": f'{{"source": "x",\n "body": {{"data": [{ONE}, {TWO}]}}}}',
    "recorded array": f'{{"note": "x", "body": [{ONE}, {TWO}]}}',
    "Mer": f'{{"body": {{"data": {{"locations": {{"data": [{ONE}, {TWO}]}}, "tariffs": {{"data": []}}}}}}}}',
    "NDW": f'{{"content": [{ONE}, {TWO}],\n "pageable": {{"offset": 0}}}}',
}


@pytest.mark.parametrize("text", SHAPES.values(), ids=SHAPES.keys())
def test_objects_are_served_byte_for_byte(text: str, tmp_path: Path):
    path = written(tmp_path, text)

    assert [raw.decode() for raw in files.locations(path)] == [ONE, TWO]


def test_a_single_location_is_a_list_of_one(tmp_path: Path):
    assert list(files.locations(written(tmp_path, ONE))) == [ONE.encode()]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"status_code": 1000}', "no list of Locations under body, data, locations, content"),
        ("[{]", "not JSON"),
        (f"{ONE}\n{TWO}\n{{\n", " line 3: not JSON"),
        ("", "is empty"),
        ("\ufeff \n", "is empty"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(text: str, problem: str, tmp_path: Path):
    path = written(tmp_path, text)

    with pytest.raises(files.Unreadable) as error:
        list(files.locations(path))

    assert str(path) in str(error.value)
    assert problem in str(error.value)


def test_a_missing_file_is_said(tmp_path: Path):
    with pytest.raises(files.Unreadable, match="No such file"):
        list(files.locations(tmp_path / "none.json"))


def test_all_owners_in_the_file_are_announced_and_the_given_one_for_objects_without(tmp_path: Path):
    given, named = [Party("NL", "ABC")], Party("GB", "CGY")

    assert files.parties(written(tmp_path, f"[{ONE}, {TWO}]"), given) == [*given, named]
    assert files.parties(written(tmp_path, f"[{ONE}]"), given) == [named]
    with pytest.raises(files.Unreadable, match="1 Location names no owner"):
        files.parties(written(tmp_path, f"[{ONE}, {TWO}]"), [])


def test_objects_without_id_or_with_the_same_id_are_kept():
    objects = Objects(LOCATIONS, Party("NL", "ABC"))

    objects.load([b'{"id": "A"}', b'{"id": "a", "n": 2}', b'{"name": "none"}', b'"text"'])

    assert objects.page(0, 10) == (
        4,
        [b'{"id": "A"}', b'{"id": "a", "n": 2}', b'{"name": "none"}', b'"text"'],
    )
    assert objects.find("a").raw == b'{"id": "A"}'


def written(folder: Path, text: str) -> Path:
    path = folder / "locations.json"
    path.write_text(text)
    return path
