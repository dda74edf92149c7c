# shellcheck shell=bash
# Sourced by the libraries beside it: asks `monitor-tick decide`, where every decision is made.

_monitor_checkout=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)

# _monitor_decide NAME ARGS...: the decision's stdout, stderr and status. PYTHONUTF8: any bytes may be in a file name.
_monitor_decide() {
    local _monitor_program _monitor_name=$1
    shift
    if _monitor_program=$(type -P monitor-tick); then
        PYTHONUTF8=1 "$_monitor_program" decide "$_monitor_name" -- "$@" </dev/null
    elif [ -x "$_monitor_checkout/.venv/bin/monitor-tick" ]; then
        PYTHONUTF8=1 "$_monitor_checkout/.venv/bin/monitor-tick" decide "$_monitor_name" -- "$@" </dev/null
    else
        # PYTHONSAFEPATH: nothing in the current directory may stand in for a module.
        PYTHONUTF8=1 PYTHONSAFEPATH=1 PYTHONPATH=$_monitor_checkout${PYTHONPATH:+:$PYTHONPATH} \
            python3 -m monitor_tick decide "$_monitor_name" -- "$@" </dev/null
    fi
}

# _monitor_decide_into VARIABLE... -- NAME ARGS...: sets exactly these variables, empty where there was no answer.
# The answer is NAME=value items, each ended by NUL, and is never evaluated. No answer at all: status 2.
_monitor_decide_into() {
    local _monitor_wanted=' ' _monitor_item _monitor_status=2
    while [ "$1" != -- ]; do
        printf -v "$1" '%s' ''
        _monitor_wanted+="$1 "
        shift
    done
    shift
    while IFS= read -r -d '' _monitor_item; do
        case $_monitor_item in
            status=[0-9]) _monitor_status=${_monitor_item#*=} ;;
            *=*)
                case $_monitor_wanted in
                    *" ${_monitor_item%%=*} "*) printf -v "${_monitor_item%%=*}" '%s' "${_monitor_item#*=}" ;;
                esac
                ;;
        esac
    done < <(_monitor_decide "$@")
    return "$_monitor_status"
}
