# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154
# Sourced by test.sh, which sets what is read here and reads what is set here. Builds the wheel, installs it into a fresh
# environment and runs the tests against it.

leg_python() {
    local log=$reports_dir/test-python.log reports=$reports_dir/python begun=$SECONDS code=0 note=""
    local python wheel fresh passed=0 failed=0 skipped=0
    if ! python=$("$root_dir/scripts/setup-python.sh"); then
        skip_leg python "no Python 3.10 or newer with venv, or its packages cannot be fetched"
        return
    fi
    if ! use_rust; then
        skip_leg python "no Rust $(rust_floor) or newer on this machine"
        return
    fi
    rm -rf "$reports"
    mkdir -p "$reports"
    if ! foreign_parts "$log" || ! wheel=$("$root_dir/scripts/wheel-python.sh" --faults 2>>"$log"); then
        close_leg python "$begun" 1 0 0 0 "$log" " · the wheel could not be built"
        return
    fi
    say "python: tests on $("$python" --version)"
    # Nothing but the wheel is installed there; pytest is borrowed from the tools.
    fresh=$target_dir/python/fresh
    rm -rf "$fresh"
    "$python" -m venv --without-pip "$fresh"
    "$python" -m pip --python "$fresh/bin/python" install -q --disable-pip-version-check --no-index --no-deps "$wheel"
    "$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
        >"$("$fresh/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/tools.pth"
    (
        cd "$root_dir/bindings/python"
        export PYTHONDONTWRITEBYTECODE=1
        "$fresh/bin/python" -m pytest -p no:cacheprovider -ra --junitxml="$reports/junit.xml"
    ) >"$log" 2>&1 || code=$?
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
    ) >>"$log" 2>&1 || { code=1 note=" · types are WRONG"; }
    read -r passed failed skipped < <("$python" - "$reports/junit.xml" <<'COUNT' || echo 0 0 0
import sys, xml.etree.ElementTree
suites = list(xml.etree.ElementTree.parse(sys.argv[1]).getroot().iter("testsuite"))
total, bad, skipped = (
    sum(int(suite.get(name, 0)) for suite in suites for name in names)
    for names in (["tests"], ["failures", "errors"], ["skipped"])
)
print(total - bad - skipped, bad, skipped)
COUNT
    )
    if [ "$code" -ne 0 ]; then grep -E '^(FAILED|ERROR|E  )' "$log" | head -n 40 >&2 || true; fi
    close_leg python "$begun" "$code" "$passed" "$failed" "$skipped" "$log" "$note"
}
