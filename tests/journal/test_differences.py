"""What came in against what went out (ocpi_hub/journal/differences.py)."""

import pytest

from ocpi_hub.journal.differences import Difference, Line, differences, lines, parsed


@pytest.mark.parametrize(
    ("came", "went", "found"),
    [
        ('{"a": 1, "b": [1, 2]}', '{"b":[1,2.0],"a":1.00}', []),
        ('{"a": 1}', '{"a": "1"}', [Difference("$.a", "1", '"1"')]),
        ('{"a": true}', '{"a": 1}', [Difference("$.a", "true", "1")]),
        ('{"a": null}', "{}", [Difference("$.a", "null", None)]),
        ("{}", '{"b": {"c": 1}}', [Difference("$.b", None, '{"c":1}')]),
        ('{"evses": [{"uid": "1"}, {"uid": "2"}]}', '{"evses": [{"uid": "1"}, {"uid": "3"}]}',
         [Difference("$.evses[1].uid", '"2"', '"3"')]),
        ("[1, 2]", "[1]", [Difference("$[1]", "2", None)]),
        ('{"a": [1]}', '{"a": {"0": 1}}', [Difference("$.a", "[1]", '{"0":1}')]),
    ],
)  # fmt: skip
def test_places_differ_by_their_values_and_not_by_how_they_are_written(came, went, found):
    assert list(differences(parsed(came), parsed(went))) == found


def test_a_document_is_written_out_with_what_differs_marked():
    document = parsed('{"id":"S1","kwh":1.50,"evse":{"uid":"E","ids":[1]},"none":[]}')

    written = list(lines(document, {"$.kwh", "$.evse"}))

    assert written == [
        Line("{"),
        Line('  "id": "S1",'),
        Line('  "kwh": 1.50,', marked=True),
        Line('  "evse": {', marked=True),
        Line('    "uid": "E",', marked=True),
        Line('    "ids": [', marked=True),
        Line("      1", marked=True),
        Line("    ]", marked=True),
        Line("  },", marked=True),
        Line('  "none": []'),
        Line("}"),
    ]
    assert parsed("\n".join(line.text for line in written)) == document


@pytest.mark.parametrize("body", ["", "<html>", '{"a":', "[" * 5000])
def test_what_is_no_json_is_no_document(body):
    assert parsed(body) is None
