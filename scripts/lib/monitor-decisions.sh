# shellcheck shell=bash
# What the tick decides about a session, for runbooks and cron scripts: source this file (bash 4+), then call.
# Functions that say so set variables; the others print. No shell option is changed.

# shellcheck source=scripts/lib/decide.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/decide.sh"

# data_root proc_root: `PID SESSION` a line, of every node that runs under data_root.
_enumerate_henyey_processes() { _monitor_decide enumerate_henyey_processes "$@"; }

# data_root proc_root session: the first pid of that session, or nothing.
_find_session_process() { _monitor_decide find_session_process "$@"; }

# cmdline_file: the config a node was started with (-c, --config, --conf), or nothing.
_parse_cmdline_config() { _monitor_decide parse_cmdline_config "$@"; }

# data_root proc_root session env_file: sets SESSION_WIPED and SESSION_WIPED_PROCESS_ALIVE (yes, no); recreates the
# directories. 1: the session is absent, nothing runs and the env file is stale; nothing was created.
check_session_wiped() {
    _monitor_decide_into SESSION_WIPED SESSION_WIPED_PROCESS_ALIVE -- check_session_wiped "$@"
}

# data_root proc_root session env_file: sets LONG_STALE_SESSION (yes, no). 1: yes, do not revive it.
check_long_stale_session() { _monitor_decide_into LONG_STALE_SESSION -- check_long_stale_session "$@"; }

# env_file: 1 when it is older than two hours, or missing.
check_env_freshness() { _monitor_decide check_env_freshness "$@"; }

# data_root path: the session of a node's stdout; recreates its directories when the path ends in " (deleted)".
recover_session_from_stdout() { _monitor_decide recover_session_from_stdout "$@"; }

# data_root proc_root candidate active threshold: PASS, or the SKIP line of the first guard that protects candidate.
cleanup_guard() { _monitor_decide cleanup_guard "$@"; }

# data_root: sets MAINNET_WIPED (yes, no).
check_mainnet_wiped() { _monitor_decide_into MAINNET_WIPED -- check_mainnet_wiped "$@"; }

# logs_dir [now]: sets CRASH_RECENT_COUNT (of the last half hour), CRASH_LATEST_FILE and CRASH_HASH_MISMATCH (yes, no).
detect_crash_state() {
    _monitor_decide_into CRASH_RECENT_COUNT CRASH_LATEST_FILE CRASH_HASH_MISMATCH -- detect_crash_state "$@"
}

# logs_dir log_file: sets FATAL_WIPE_EVIDENCE (yes, no) and FATAL_WIPE_SOURCE (`crashed:<file>`, `active` or empty).
has_fatal_wipe_evidence() {
    _monitor_decide_into FATAL_WIPE_EVIDENCE FATAL_WIPE_SOURCE -- has_fatal_wipe_evidence "$@"
}

# log_file proc_start_epoch [now]: sets SOFT_FAIL_BLOCKED (yes, no) and SOFT_FAIL_BLOCKED_DURATION_SEC.
detect_soft_fail_blocked() {
    _monitor_decide_into SOFT_FAIL_BLOCKED SOFT_FAIL_BLOCKED_DURATION_SEC -- detect_soft_fail_blocked "$@"
}

# log_file [count]: the heartbeat lines, or the last count of them; status as grep's.
grep_heartbeat_lines() { _monitor_decide grep_heartbeat_lines "$@"; }
