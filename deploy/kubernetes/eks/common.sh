# shellcheck shell=bash disable=SC2034
# Shared by enable.sh and rollback.sh; sourced, never run.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
program=$(basename "$0")
namespace=portcullis-system
context='' cluster='' dry_run=false assume_yes=false

refuse() {
  echo "$program: $1" >&2
  exit 2
}

parse_arguments() {
  while [[ $# -gt 0 ]]; do
    case $1 in
      --help | -h) sed -n '2,/^[^#]/ { /^#/ s/^# \{0,1\}//p }' "$0"; exit 0 ;;
      --dry-run) dry_run=true; shift ;;
      --yes) assume_yes=true; shift ;;
      --context | --cluster)
        [[ -n ${2:-} ]] || refuse "$1: needs a value: see --help"
        if [[ $1 == --context ]]; then context=$2; else cluster=$2; fi
        shift 2
        ;;
      *) refuse "unknown argument '$1': see --help" ;;
    esac
  done
  command -v kubectl >/dev/null || refuse "kubectl: not found: install version 1.21 or later"
  [[ -z $cluster ]] || command -v aws >/dev/null || refuse "aws: not found: --cluster $cluster changes the managed add-on by the AWS command line"
  context=${context:-$(kubectl config current-context 2>/dev/null)} || refuse "kubectl has no current context: give --context"
  kube -n kube-system get daemonset aws-node -o name >/dev/null 2>&1 ||
    refuse "context $context: cannot read DaemonSet kube-system/aws-node: not an EKS cluster with the VPC CNI, or no access"
}

kube() { kubectl --context "$context" "$@"; }

# Runs a command that changes something, or only says so.
change() {
  echo "+ $*"
  $dry_run || "$@"
}

confirm() {
  $dry_run || $assume_yes && return 0
  local answer
  read -r -p "$1 on context $context? [y/N] " answer || refuse "no answer: give --yes"
  [[ $answer == [yY]* ]] || refuse "nothing was changed"
}

# What the VPC CNI's own agent is told now: true, false, or nothing when it has no such argument.
cni_enforces() {
  kube -n kube-system get daemonset aws-node -o jsonpath='{.spec.template.spec.containers[*].args}' |
    grep -o -E 'enable-network-policy=(true|false)' | head -n 1 | cut -d = -f 2 || true
}

# Argument: true or false. Nothing happens when it is so already.
set_cni_enforcement() {
  local wanted=$1 now patch
  now=$(cni_enforces)
  if [[ $now == "$wanted" || (-z $now && $wanted == false) ]]; then
    echo "the VPC CNI's own enforcement is ${now:-absent} already"
    return
  fi
  if [[ -n $cluster ]]; then
    change aws eks update-addon --cluster-name "$cluster" --addon-name vpc-cni --resolve-conflicts PRESERVE \
      --configuration-values "{\"enableNetworkPolicy\":\"$wanted\"}"
    change aws eks wait addon-active --cluster-name "$cluster" --addon-name vpc-cni
  else
    [[ -n $now ]] || refuse "DaemonSet kube-system/aws-node has no argument --enable-network-policy: update the VPC CNI to 1.14 or later"
    patch=$(kube -n kube-system get daemonset aws-node -o json | replaced_argument "$now" "$wanted")
    change kube -n kube-system patch daemonset aws-node --type json --patch "$patch"
    change kube -n kube-system patch configmap amazon-vpc-cni --type merge \
      --patch "{\"data\":{\"enable-network-policy-controller\":\"$wanted\"}}"
  fi
  change kube -n kube-system rollout status daemonset aws-node --timeout 15m
}

# Arguments: value now, value wanted. Reads the DaemonSet; prints the JSON patch of the one argument.
replaced_argument() {
  command -v jq >/dev/null || refuse "jq: not found: needed to patch a VPC CNI that is not a managed add-on"
  jq -c --arg old "--enable-network-policy=$1" --arg new "--enable-network-policy=$2" '
    [.spec.template.spec.containers | to_entries[] | .key as $c | (.value.args // []) | to_entries[]
     | select(.value == $old)
     | {op: "replace", path: "/spec/template/spec/containers/\($c)/args/\(.key)", value: $new}]'
}
