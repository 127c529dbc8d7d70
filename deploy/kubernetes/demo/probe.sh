#!/usr/bin/env bash
# Usage: probe.sh [--context NAME]
#
# Lets every pod of the demo application request every target over HTTP, through its Service, and prints who reached whom:
# + answered, - no answer within 3 s, ! the pod could not be asked. Compare with the matrices of examples/demo/scenario/expected.json. Changes nothing.
set -euo pipefail
kubectl=(kubectl)
case ${1:-} in
  --help | -h) sed -n '2,/^[^#]/ { /^#/ s/^# \{0,1\}//p }' "$0"; exit 0 ;;
  --context) [[ -n ${2:-} ]] || { echo "probe.sh: --context: needs a value" >&2; exit 2; }; kubectl+=(--context "$2") ;;
  '') ;;
  *) echo "probe.sh: unknown argument '$1': see --help" >&2; exit 2 ;;
esac

pods=(default/demo-app default/client-one default/client-two another-ns/another-client-one another-ns/another-client-two)
targets=(demo-app.default:80 demo-app.default:8080 client-one.default:80 client-two.default:80
  another-client-one.another-ns:80 another-client-two.another-ns:80)

# By address: with all egress denied a name could not be asked for.
addresses=()
for target in "${targets[@]}"; do
  service=${target%%.*} rest=${target#*.}
  addresses+=("$("${kubectl[@]}" -n "${rest%:*}" get service "$service" -o jsonpath='{.spec.clusterIP}'):${rest#*:}")
done

printf '%-32s' from
printf ' %s' A B C D E F
echo
for pod in "${pods[@]}"; do
  printf '%-32s' "$pod"
  for address in "${addresses[@]}"; do
    # shellcheck disable=SC2016 # $0 is for the shell in the pod.
    answer=$("${kubectl[@]}" -n "${pod%/*}" exec "deployment/${pod#*/}" -- \
      sh -c 'wget -q -T 3 -O /dev/null "$0" && echo + || echo -' "http://$address/" 2>/dev/null </dev/null) || answer=!
    printf ' %s' "$answer"
  done
  echo
done
printf '%s\n' "" "A to F: ${targets[*]}"
