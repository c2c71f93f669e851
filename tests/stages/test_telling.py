import stages


def test_what_a_stage_refuses_is_told_with_what_it_worked_on_and_without_traceback(capsys):
    try:
        error = ValueError("the loss is nan; lower fit.lr")
        error.add_note("while it worked on wild, seed 1")
        raise error
    except ValueError as raised:
        stages.tell(ValueError, raised, raised.__traceback__)
    first, second, where = capsys.readouterr().err.splitlines()
    assert first == "error: the loss is nan; lower fit.lr"
    assert second == "while it worked on wild, seed 1"
    assert where.startswith("(test_telling.py:")
    assert "shows the traceback" in where
