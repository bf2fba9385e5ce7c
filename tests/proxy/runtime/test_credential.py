"""Three ways to a password, each read anew, each failing without a trace of the content."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from proxy.runtime import credential
from proxy.runtime.credential import PASSWORD_BYTES_MAX, CredentialError, PasswordSource

SECRET = "hunter-4711"


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


async def test_a_file_is_read_anew_each_time(tmp_path: Path) -> None:
    path = tmp_path / "password"
    source = PasswordSource(file=path)
    for text in ("first\n", "second", "third\r\n"):
        path.write_text(text, encoding="utf-8", newline="")
        assert (await source.read()).reveal() == text.strip()


async def test_an_environment_variable() -> None:
    source = PasswordSource(environment="SOURCE_PASSWORD")
    assert (await source.read({"SOURCE_PASSWORD": SECRET})).reveal() == SECRET


async def test_a_command_without_a_shell() -> None:
    source = PasswordSource(command=python(f"print({SECRET!r} + '$HOME')"))
    assert (await source.read()).reveal() == SECRET + "$HOME"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (PasswordSource(file=Path("/nonexistent")), "No such file"),
        (PasswordSource(environment="SOURCE_PASSWORD_UNSET"), "is not set"),
        (PasswordSource(command=("/nonexistent",)), "cannot run password_command"),
        (PasswordSource(command=python(f"print({SECRET!r}); exit(3)")), "exit code 3"),
        (PasswordSource(command=python("pass")), "is empty"),
        (PasswordSource(command=python("print('x' * 100000)")), "printed over"),
        (PasswordSource(command=python("print('a\\0b')")), "zero byte"),
        (
            PasswordSource(command=python("import os; os.write(1, b'hunter-4711\\xff')")),
            "is not UTF-8",
        ),
    ],
)
async def test_failures_name_the_way_and_not_the_content(
    source: PasswordSource, reason: str
) -> None:
    with pytest.raises(CredentialError, match=reason) as caught:
        await source.read()
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


async def test_a_long_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_bytes(b"x" * (PASSWORD_BYTES_MAX + 1))
    with pytest.raises(CredentialError, match="longer than"):
        await PasswordSource(file=path).read()


async def test_a_command_that_hangs_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credential, "COMMAND_SECONDS_MAX", 0.2)
    started = time.monotonic()
    with pytest.raises(CredentialError, match="took longer"):
        await PasswordSource(command=python("import time; time.sleep(60)")).read()
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("ways", [{}, {"environment": "A", "command": ("b",)}])
def test_exactly_one_way(ways: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="exactly one"):
        PasswordSource(**ways)  # type: ignore[arg-type]


async def test_no_printable_form() -> None:
    secret = await PasswordSource(environment="P").read({"P": SECRET})
    assert SECRET not in f"{secret} {secret!r}"
