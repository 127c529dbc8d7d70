#!/usr/bin/env bash
# Usage: eng/capabilities.sh [DATAPATH...]
#
# Finds out which capabilities the built agent (./build.sh) needs, by running it as uid 0 without privilege escalation and with
# nothing but the capabilities of the DaemonSet, and again without each of them. DATAPATH: tcx, clsact, nft, legacy; default all.
# Each run starts in network namespaces of its own, enforces a policy, is asked for flows, killed and started again, and cleans up.
# Prints one line a run: "works", or the step that failed and the agent's last words. Exit: 0 the DaemonSet's set suffices for every
# DATAPATH, 1 it does not, 2 usage or environment. Needs root, busybox and a C compiler.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
help_if_asked "$@"
require_root "the agent is run in network namespaces"
for program in busybox cc setpriv nsenter ip; do
  command -v "$program" >/dev/null || refuse "$program: not found: install busybox, gcc, util-linux and iproute2"
done
agent=$PWD/artifacts/portcullis/portcullis
[[ -x $agent ]] || refuse "artifacts/portcullis/portcullis: not there: run ./build.sh first"

# The set of the DaemonSet, in its order.
mapfile -t full < <(sed -n '/^ *add:/,/^ *[a-z]*:$/ s/^ *- \([A-Z_]*\)$/\1/p' deploy/kubernetes/base/daemonset.yaml)
[[ ${#full[@]} -gt 0 ]] || refuse "deploy/kubernetes/base/daemonset.yaml: no capabilities found under 'add:'"

id=pclcap$$
work=$(mktemp -d "/tmp/$id.XXXXXX")
agent_pid='' server_pid=''

stop_agent() {
  [[ -z $agent_pid ]] || { kill -KILL "$agent_pid" 2>/dev/null && wait "$agent_pid" 2>/dev/null; } || true
  agent_pid=''
}

tear_down() {
  stop_agent
  [[ -z $server_pid ]] || kill "$server_pid" 2>/dev/null || true
  # What a run without a capability left is removed with all of them; the clean-up it proves is asked for before.
  [[ ! -e /run/netns/$id-node ]] || nsenter --net="/run/netns/$id-node" "$agent" cleanup "${settings[@]}" >/dev/null 2>&1 || true
  ip netns del "$id-node" 2>/dev/null || true
  ip netns del "$id-pod" 2>/dev/null || true
  ip netns del "$id-other" 2>/dev/null || true
}
trap 'tear_down; rm -rf "$work"' EXIT

in_node() { nsenter --net="/run/netns/$id-node" "$@"; }

# Arguments: name, last number. A pod behind a veth pair, as the VPC CNI wires it.
add_pod() {
  local name=$1 number=$2 mac
  ip netns add "$id-$name"
  ip -n "$id-node" link add "eni$name" type veth peer name eth0 netns "$id-$name"
  ip -n "$id-node" link set "eni$name" up
  ip -n "$id-node" route add "10.214.0.$number" dev "eni$name"
  ip -n "$id-$name" link set lo up
  ip -n "$id-$name" addr add "10.214.0.$number/32" dev eth0
  ip -n "$id-$name" link set eth0 up
  mac=$(ip -n "$id-node" -o link show "eni$name" | sed 's/.*ether \([0-9a-f:]*\).*/\1/')
  ip -n "$id-$name" route add 169.254.1.1 dev eth0
  ip -n "$id-$name" route add default via 169.254.1.1
  ip -n "$id-$name" neigh add 169.254.1.1 dev eth0 lladdr "$mac"
}

build_node() {
  local rule
  ip netns add "$id-node"
  ip -n "$id-node" link set lo up
  ip -n "$id-node" addr add 10.214.0.1/32 dev lo
  in_node sysctl -q -w net.ipv4.ip_forward=1
  add_pod pod 10
  add_pod other 11
  # The rules of others decide which backend the agent chooses.
  if [[ $1 == nft || $1 == legacy ]]; then
    for rule in 1 2 3; do
      in_node "iptables-$1" -t filter -A INPUT -m comment --comment "rule $rule of others" -j RETURN
    done
  fi
  nsenter --net="/run/netns/$id-pod" busybox sh -c 'mkdir -p '"$work"'/www && exec busybox httpd -f -p 80 -h '"$work"'/www' &
  server_pid=$!
  for _ in $(seq 50); do
    ! nsenter --net="/run/netns/$id-pod" ss -Hltn 'sport = :80' | grep -q . || return 0
    sleep 0.1
  done
  refuse "busybox httpd: does not listen"
}

cat >"$work/world.yaml" <<YAML
{apiVersion: portcullis.dev/v1alpha1, kind: Workload, metadata: {name: pod, labels: {app: pod}}, spec: {interface: enipod, addresses: [10.214.0.10]}}
---
{apiVersion: portcullis.dev/v1alpha1, kind: Workload, metadata: {name: other}, spec: {interface: eniother, addresses: [10.214.0.11]}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: closed}, spec: {podSelector: {matchLabels: {app: pod}}, policyTypes: [Ingress]}}
YAML

cc -O2 -Wall -o "$work/no-tcx" eng/capabilities/no-tcx.c

reaches() { nsenter --net="/run/netns/$id-other" timeout 1 bash -c 'exec 3<>/dev/tcp/10.214.0.10/80' 2>/dev/null; }

ask() { timeout 70 "$agent" "$@" "${settings[@]}"; }

start_agent() {
  # Every word of this execs the next: the process is the agent.
  nsenter --net="/run/netns/$id-node" "${restricted[@]}" "$agent" run "${settings[@]}" >>"$work/log" 2>&1 &
  agent_pid=$!
  ask wait --for ready --timeout 60s >/dev/null 2>&1
}

flows_name_the_policy() {
  timeout 4 "$agent" flows --follow --denied -o json "${settings[@]}" >"$work/flows" 2>/dev/null &
  local watcher=$!
  # Two attempts: a watcher that is late for the first packet sees its retransmission.
  reaches || reaches || true
  wait "$watcher" || true
  grep -q '"closed"' "$work/flows"
}

# Prints the step that failed; nothing when all went well.
steps() {
  reaches || { echo "reaching the pod without a policy"; return; }
  start_agent || { echo "starting"; return; }
  ask status -o json >"$work/status" || { echo status; return; }
  ! reaches || { echo "denying"; return; }
  flows_name_the_policy || { echo "flows"; return; }
  stop_agent
  ! reaches || { echo "denying while no agent runs"; return; }
  start_agent || { echo "starting again"; return; }
  ! reaches || { echo "denying after a restart"; return; }
  stop_agent
  in_node "${restricted[@]}" "$agent" cleanup "${settings[@]}" >>"$work/log" 2>&1 || { echo "cleanup"; return; }
  reaches || echo "removing enforcement"
}

# Arguments: datapath, capabilities...
run() {
  local datapath=$1 plugin=iptables wrapper=() failed
  shift
  case $datapath in
    tcx) plugin=ebpf ;;
    clsact) plugin=ebpf wrapper=("$work/no-tcx") ;;
  esac
  settings=(--set "source.file.paths=$work/world.yaml" --set "datapath.plugin=$plugin" --set "node.instance=$id"
    --set "api.socket=$work/agent.sock" --set metrics.listen= --set node.name=capabilities)
  restricted=(setpriv --inh-caps -all --no-new-privs --bounding-set "$(printf -- '-all'; printf ',+%s' "${@,,}")" "${wrapper[@]}")
  : >"$work/log"
  build_node "$datapath"
  steps >"$work/failed"
  failed=$(cat "$work/failed")
  tear_down
  if [[ -z $failed ]]; then
    echo works
  else
    echo "fails at $failed: $(grep -v '^$' "$work/log" | tail -n 1 | cut -c 1-220)"
    return 1
  fi
}

code=0
[[ $# -gt 0 ]] || set -- tcx clsact nft legacy
for datapath in "$@"; do
  case $datapath in
    tcx | clsact | nft | legacy) ;;
    *) refuse "unknown datapath '$datapath': tcx, clsact, nft, legacy" ;;
  esac
done
for datapath in "$@"; do
  printf '%-7s %-40s ' "$datapath" "with ${full[*]}"
  run "$datapath" "${full[@]}" || code=1
  for without in "${full[@]}"; do
    rest=()
    for capability in "${full[@]}"; do
      [[ $capability == "$without" ]] || rest+=("$capability")
    done
    printf '%-7s %-40s ' "$datapath" "without $without"
    run "$datapath" "${rest[@]}" || true
  done
done
exit $code
