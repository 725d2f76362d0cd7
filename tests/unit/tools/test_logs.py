"""The stack's logs stay within a bound, no matter which process writes them and how full the disk
is."""

import subprocess
import sys
from pathlib import Path

from tools.stack.logs import lines_of_request
from tools.stack.maintenance import truncate_logs

BOUND = 10_000


def test_a_log_over_its_bound_is_emptied_and_its_end_is_copied(tmp_path: Path) -> None:
    log = tmp_path / "earning.log"
    with log.open("ab") as output:
        program = "import sys\nfor line in sys.stdin: print(line, end='', flush=True)"
        writer = subprocess.Popen(
            [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=output, text=True
        )
    assert writer.stdin is not None
    for number in range(3_000):
        writer.stdin.write(f"line {number}\n")
    writer.stdin.flush()
    while b"line 2999\n" not in log.read_bytes():
        assert writer.poll() is None
    truncate_logs(tmp_path, max_bytes=BOUND)
    assert log.stat().st_size == 0
    copied = (tmp_path / "earning.log.1").read_bytes()
    assert len(copied) == BOUND
    assert copied.endswith(b"line 2999\n")
    writer.communicate("after\n")
    assert log.read_bytes() == b"after\n"


def test_a_log_is_emptied_although_its_end_cannot_be_copied(tmp_path: Path) -> None:
    log = tmp_path / "earning.log"
    log.write_bytes(b"x" * (BOUND + 1))
    (tmp_path / "earning.log.1").mkdir()
    truncate_logs(tmp_path, max_bytes=BOUND)
    assert log.stat().st_size == 0


def test_a_log_within_its_bound_stays_unchanged(tmp_path: Path) -> None:
    log = tmp_path / "earning.log"
    log.write_bytes(b"x" * BOUND)
    truncate_logs(tmp_path, max_bytes=BOUND)
    assert log.stat().st_size == BOUND


def test_the_lines_of_a_request_are_found_in_all_logs_in_the_order_of_time(tmp_path: Path) -> None:
    def line(time: int, request_id: str) -> str:
        return f'{{"timestamp": "2026-03-10T12:00:0{time}Z", "request_id": "{request_id}"}}'

    (tmp_path / "gateway.log").write_text(f"{line(2, 'req_1')}\nno JSON req_1\n")
    (tmp_path / "gateway.log.1").write_text(f"{line(0, 'req_1')}\n{line(1, 'req_12')}\n")
    (tmp_path / "earning.log").write_text(f'{line(1, "req_1")}\n{{"about": "req_1"}}\n')
    assert lines_of_request(tmp_path, "req_1") == [line(n, "req_1") for n in (0, 1, 2)]
