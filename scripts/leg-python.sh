# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154
# Sourced by test.sh, which sets what is read here and reads what is set here. Builds the wheel, installs it into a fresh
# environment and runs the tests against it.

leg_python() {
    local begun=$SECONDS reports=$reports_dir/python log=$reports_dir/test-python.log
    local python wheel fresh code=0 types=0 line counts
    if ! python=$("$root_dir/scripts/setup-python.sh"); then
        skip_leg python "no Python 3.10 or newer with venv, or its packages cannot be fetched"
        return
    fi
    if ! use_rust; then
        skip_leg python "no Rust $(rust_floor) or newer on this machine"
        return
    fi
    ran=$((ran + 1))
    rm -rf "$reports"
    mkdir -p "$reports"
    if ! wheel=$("$root_dir/scripts/wheel-python.sh" --faults) ||
        ! cargo build -q -p unspool-e2e --bin origin-process "${cargo_flags[@]}"; then
        closing+=("TESTS python: the wheel could not be built · $((SECONDS - begun)) s")
        status=1
        return
    fi
    # Nothing but the wheel is installed there; pytest is borrowed from the tools.
    fresh=$target_dir/python/fresh
    rm -rf "$fresh"
    "$python" -m venv --without-pip "$fresh"
    "$python" -m pip --python "$fresh/bin/python" install -q --disable-pip-version-check --no-index --no-deps "$wheel"
    "$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
        >"$("$fresh/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/tools.pth"
    (
        cd "$root_dir/bindings/python"
        export UNSPOOL_ORIGIN_PROGRAM=${UNSPOOL_ORIGIN_PROGRAM:-$target_dir/debug/origin-process}
        export UNSPOOL_SCENARIO=$root_dir/tests/scenario.json PYTHONDONTWRITEBYTECODE=1
        "$fresh/bin/python" -m pytest -p no:cacheprovider -ra --junitxml="$reports/junit.xml"
    ) 2>&1 | tee "$log" || code=$?
    # Our own code is typed throughout; the stub of the generated module is the text of its golden file.
    local typed=$target_dir/python/types
    rm -rf "$typed"
    mkdir -p "$typed"
    cp -r "$root_dir"/bindings/python/{src/unspool,tests,bench} "$typed/"
    cp "$target_dir/python/debug/parts/_bindings.pyi" "$typed/unspool/"
    (
        cd "$typed"
        MYPYPATH=$typed:$typed/tests "$python" -m mypy --config-file "$root_dir/bindings/python/pyproject.toml" \
            --cache-dir "$target_dir/python/mypy" unspool/*.py tests/*.py bench/*.py
    ) >>"$log" 2>&1 || types=1
    counts=$("$python" - "$reports/junit.xml" <<'COUNT' || true
import sys, xml.etree.ElementTree
suites = list(xml.etree.ElementTree.parse(sys.argv[1]).getroot().iter("testsuite"))
total, bad, skipped = (
    sum(int(suite.get(name, 0)) for suite in suites for name in names)
    for names in (["tests"], ["failures", "errors"], ["skipped"])
)
print(total - bad - skipped, bad, skipped)
COUNT
    )
    local passed=0 failed=0 skipped=0
    read -r passed failed skipped <<<"${counts:-0 0 0}" || true
    line="TESTS python: $passed passed, $failed failed, $skipped skipped · $((SECONDS - begun)) s"
    if [ "$failed" -gt 0 ]; then
        code=1
    elif [ "$code" -ne 0 ]; then
        line+=" · pytest FAILED ($code), see $log"
    elif [ "$passed" -eq 0 ]; then
        line+=" · nothing was tested"
        code=1
    elif [ "$skipped" -gt 0 ] && in_ci; then
        line+=" · a skip is a failure in CI"
        code=1
    fi
    if [ "$types" -ne 0 ]; then
        line+=" · types are WRONG, see $log"
        code=1
    fi
    closing+=("$line")
    [ "$code" -eq 0 ] || status=1
}
