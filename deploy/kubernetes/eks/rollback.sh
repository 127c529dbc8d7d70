#!/usr/bin/env bash
# Usage: rollback.sh [--context NAME] [--cluster NAME] [--yes] [--dry-run]
#
# Gives enforcement back to the VPC CNI, without a moment of neither:
#   1. turns the VPC CNI's own enforcement on and waits until its DaemonSet has rolled;
#   2. on every node has the agent remove everything it put into the kernel ('portcullis cleanup');
#   3. deletes what the kustomization beside this script made.
# It changes what enable.sh changes; --cluster must be given if it was given there. Stops before step 3 while a node's agent cannot
# be asked, because what it left would stay in force there: repair or remove that node and run it again. Can be run again.
# --dry-run prints what it would change. Exit: 0 done, 1 a node could not be cleaned up, 2 usage or environment.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
parse_arguments "$@"
confirm "roll Portcullis back"

set_cni_enforcement true

failed=() asked=0
while read -r pod node; do
  [[ -n $pod ]] || continue
  asked=$((asked + 1))
  change kube -n "$namespace" exec "$pod" -c agent -- portcullis cleanup </dev/null || failed+=("$node ($pod)")
done < <(kube -n "$namespace" get pods -l app.kubernetes.io/name=portcullis --no-headers -o custom-columns=:.metadata.name,:.spec.nodeName)
if [[ ${#failed[@]} -gt 0 ]]; then
  echo "$program: not cleaned up: ${failed[*]}: repair or remove these nodes and run this again" >&2
  exit 1
fi
wanted=$(kube -n "$namespace" get daemonset portcullis --ignore-not-found -o jsonpath='{.status.desiredNumberScheduled}')
if [[ $asked -lt ${wanted:-0} ]]; then
  echo "$program: $asked of $wanted nodes have an agent to ask: repair or remove the others and run this again" >&2
  exit 1
fi

change kube delete -k "$here" --ignore-not-found
$dry_run || echo "the VPC CNI enforces; Portcullis is gone"
