#!/usr/bin/env bash
# Usage: enable.sh [--context NAME] [--cluster NAME] [--yes] [--dry-run]
#
# Lets Portcullis enforce NetworkPolicy on an EKS cluster with the VPC CNI, without a moment of neither:
#   1. applies the kustomization beside this script and waits until the agent is ready on every node;
#      from now until step 2 is through, a packet must pass both;
#   2. turns the VPC CNI's own enforcement off and waits until its DaemonSet has rolled.
# It changes namespace portcullis-system, ClusterRole and ClusterRoleBinding portcullis, and the one setting of the VPC CNI: with
# --cluster by its managed add-on (enableNetworkPolicy), else its DaemonSet kube-system/aws-node and ConfigMap amazon-vpc-cni.
# What the VPC CNI attached to running pods stays on them, with its last rules, until they or their nodes are replaced: while
# policies change, do so soon. Can be run again. --dry-run prints what it would change. rollback.sh undoes it.
# Exit: 0 done, 2 usage or environment, other: the command that failed said why, and running it again goes on from there.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
parse_arguments "$@"
confirm "enable Portcullis"

change kube apply -k "$here"
change kube -n "$namespace" rollout status daemonset portcullis --timeout 15m
set_cni_enforcement false
$dry_run || echo "Portcullis enforces; replace pods that the VPC CNI policed before"
