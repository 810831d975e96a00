#!/usr/bin/env bash
# The first events of a counter that appears with them: `increase` and `rate` do not see them.
#
# Seen with promtool 2.42.0 (Debian 12), 2026-11-29: Prometheus takes the first sample of a series as its beginning. A counter that is
# exposed from its first event on, as most client libraries do with labels, counts as 0 until the next event: an alert such as
# `increase(errors_total[1h]) > 0` misses a single error. One that is exposed as 0 before is counted.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

# Both have five errors in minute 30, and none after.
query() {
  cat >test.yaml <<YAML
rule_files: []
tests:
  - interval: 1m
    input_series: [{ series: errors_total, values: "$1" }]
    promql_expr_test:
      - { expr: "increase(errors_total[1h]) > bool 0", eval_time: 60m, exp_samples: [{ labels: "{}", value: $2 }] }
YAML
  promtool test rules test.yaml | grep -o "SUCCESS\|FAILED"
}
{
  echo "exposed from the first error on, no increase: $(query "_x30 5x30" 0)"
  echo "exposed as 0 before, an increase: $(query "0x29 5x30" 1)"
} | tee seen
diff seen - <<'SEEN'
exposed from the first error on, no increase: SUCCESS
exposed as 0 before, an increase: SUCCESS
SEEN
