#!/bin/sh
# The steps of a tick as a shell script would take them, the yardstick of row 2: a fork for each process, curl and jq for the
# node's answers, grep over the log, grep and awk for each metric, du for the trees.
#   shell-tick.sh PROC DATA SESSION PORT CATALOG
set -u
proc=$1 data=$2 session=$3 port=$4 catalog=$5
dir=$data/$session log=$data/$session/logs/monitor.log
new=$(mktemp) prev=$dir/metrics/current.prom
trap 'rm -f "$new"' EXIT

pid=
for each in "$proc"/[0-9]*; do
    exe=$(readlink "$each/exe" 2>/dev/null | sed 's/ (deleted)$//')
    case $exe in
        "$data"/*/cargo-target/release/henyey) pid=${each##*/} ;;
    esac
done
rss=$(awk '/^VmRSS:/ {print $2}' "$proc/$pid/status")
available=$(awk '/^MemAvailable:/ {print $2}' "$proc/meminfo")
ticks=$(awk '{print $22}' "$proc/$pid/stat")

errors=$(grep -cE '^[^ ]+ +ERROR ' "$log")
mismatch=$(grep -ciE 'hash mismatch|panicked at|assertion .*failed' "$log")
heartbeat=$(grep 'heartbeat=true' "$log" | tail -n 1)
report=$(grep 'memory_report=true' "$log" | tail -n 1)
ledger=$(printf '%s\n' "$heartbeat" | grep -oE ' ledger=[0-9]+' | cut -d= -f2)
latest=$(printf '%s\n' "$heartbeat" | grep -oE 'latest_ext=[0-9]+' | cut -d= -f2)
frag=$(printf '%s\n' "$report" | grep -oE 'fragmentation_pct="?[0-9.]+' | tr -d '"' | cut -d= -f2)

info=$(curl -s --max-time 5 "http://127.0.0.1:$port/info")
state=$(printf '%s' "$info" | jq -r .state)
age=$(printf '%s' "$info" | jq -r .ledger.age)
key=$(printf '%s' "$info" | jq -r .public_key)
health=$(curl -s --max-time 5 -d '{"jsonrpc":"2.0","id":1,"method":"getHealth"}' "http://127.0.0.1:$port/")
status=$(printf '%s' "$health" | jq -r .result.status)
window=$(printf '%s' "$health" | jq -r '.result.latestLedger - .result.oldestLedger')
slots=$(curl -s --max-time 5 "http://127.0.0.1:$port/scp?limit=1" | jq -r '.slots[0].is_externalized')
peers=$(curl -s --max-time 5 "http://127.0.0.1:$port/peers" | jq -r .authenticated_count)
radar=$(curl -s --max-time 10 "http://127.0.0.1:$port/api/v1/nodes/$key" | jq -r .isValidating)

curl -s --max-time 5 "http://127.0.0.1:$port/metrics" >"$new"
alerts=0
value_of() { grep "^$2[ {]" "$1" | awk '{sum += $NF} END {print sum + 0}'; }
for metric in $(grep -oE '"(henyey|stellar)_[a-z0-9_]+"' "$catalog" | tr -d '"' | sort -u); do
    now=$(value_of "$new" "$metric")
    before=$(value_of "$prev" "$metric")
    alerts=$(awk -v a="$alerts" -v n="$now" -v b="$before" 'BEGIN {print a + (n - b >= 1000000)}')
done

used=$(df -P "$data" | awk 'NR == 2 {print $5}')
sizes=$(du -sm "$dir" "$data/mainnet" | awk '{sum += $1} END {print sum}')
largest=$(du -sm "$data/mainnet"/*/ "$dir"/*/ 2>/dev/null | sort -rn | head -n 10 | wc -l)

cat <<REPORT
MONITOR - L$ledger
  node: pid=$pid start=$ticks state=$state  log: $errors errors $mismatch mismatches
  sync: latest=$latest age=$age  mem: $rss of $available frag=$frag  disk: $used $sizes MB ($largest)
  rpc: $status $window  obsrvr: $radar $slots $peers  metrics: $alerts
REPORT
