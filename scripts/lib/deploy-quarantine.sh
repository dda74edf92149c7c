# shellcheck shell=bash
# The commits that may not be deployed, for runbooks and cron scripts: source this file (bash 4+), then call.
# No shell option is changed.

# shellcheck source=scripts/lib/decide.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/decide.sh"

# file: sets QUARANTINE_ENTRIES (a sha a line) and QUARANTINE_WARNINGS. 1: the file cannot be read.
parse_quarantine_file() { _monitor_decide_into QUARANTINE_ENTRIES QUARANTINE_WARNINGS -- parse_quarantine_file "$@"; }

# file: 0 blocked, 1 clear, by ancestry to origin/main in the current repository; sets QUARANTINE_STATUS and
# QUARANTINED_MATCH, and what parse_quarantine_file sets. Without an answer it is blocked.
check_quarantine_ancestry() {
    _monitor_decide_into QUARANTINE_ENTRIES QUARANTINE_WARNINGS QUARANTINE_STATUS QUARANTINED_MATCH -- \
        check_quarantine_ancestry "$@" || true
    [ -n "$QUARANTINE_STATUS" ] || QUARANTINE_STATUS=blocked_git_error
    [ "$QUARANTINE_STATUS" = clear ] && return 1
    return 0
}

# file sha [reason]: 0 it is there now, 1 not a sha, 2 the file cannot be read or written.
quarantine_append() { _monitor_decide quarantine_append "$@"; }

# file sha: 0 it is not there now, 1 not a sha, 2 the file cannot be read or written.
quarantine_remove() { _monitor_decide quarantine_remove "$@"; }
