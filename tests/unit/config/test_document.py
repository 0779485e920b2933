"""A file is read as supervisord reads it."""

from supervisor.options import UnhosedConfigParser

from supervisor_zkelect.config import document

SUPERVISORDS = """[a]
one = 1 ; a comment
two : 2 # another
three = x;y#z
four =
  several
  lines
; all of it
# all of it
[B c]
Five=%(ENV_X)s
"""


def test_a_file_is_read_as_supervisord_reads_it():
    theirs, ours = UnhosedConfigParser(strict=True), document.Parser()
    theirs.read_string(SUPERVISORDS)
    ours.read_string(SUPERVISORDS)
    assert {name: dict(ours[name]) for name in ours} == {name: dict(theirs[name]) for name in theirs}
