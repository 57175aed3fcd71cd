# shellcheck shell=bash
# The Swift leg of scripts/test.sh, which sources it: the wrapper's tests and those of the iOS shell's models on a real Swift
# with a real GStreamer, in a root of their own, against the reference server in a process of its own.
# shellcheck disable=SC2154

# Verdicts of a report of swift-testing: passed failed skipped. Nothing but zeros when the program died before it wrote.
swift_counts() { # report
    awk '/<testcase / { total++; name = $0 }
         /<failure/ && name != "" { failed++; name = "" }
         /<skipped/ { skipped++ }
         END { print total - failed - skipped, failed + 0, skipped + 0 }' "$1" 2>/dev/null || echo 0 0 0
}

# Builds a package and runs its tests, and closes a leg with their verdicts. The program is started as `swift test` starts it;
# Swift 6.0's own option for the report knows XCTest alone.
swift_tests() { # leg, its beginning, log, program, options of build-swift.sh...
    local leg=$1 begun=$2 log=$3 program=$4 report=$reports_dir/swift/$1.xml code=0 passed failed skipped
    shift 4
    if ! "$root_dir/scripts/build-swift.sh" "$@" "$target_dir/ffi" debug --build-tests >>"$log" 2>&1; then
        grep -E 'error:' "$log" | sort -u | head -n 20 >&2 || tail -n 20 "$log" >&2
        close_leg "$leg" "$begun" 1 0 0 0 "$log" " · the package does not build"
        return
    fi
    timeout 300 "$root_dir/scripts/in-swift.sh" "$target_dir/swift/build/debug/$program.xctest" \
        --testing-library swift-testing --xunit-output "$report" >>"$log" 2>&1 || code=$?
    read -r passed failed skipped < <(swift_counts "$report")
    if [ "$code" -ne 0 ]; then grep -E '✘|[Ff]atal error|error:' "$log" | head -n 40 >&2 || true; fi
    close_leg "$leg" "$begun" "$code" "$passed" "$failed" "$skipped" "$log"
}

# What Linux can say of the parts of the iOS shell that need Apple's frameworks: that their Swift is Swift, and that their
# property lists are such.
ios_reads() { # log
    local parts lists
    mapfile -t parts < <(find "$root_dir/ios" -name '*.swift' -not -path '*/UnspoolKit/*' -not -path '*/Tests/*' | sort)
    mapfile -t lists < <(find "$root_dir/ios" -name '*.plist' -o -name '*.entitlements' -o -name '*.xcprivacy' | sort)
    [ "${#parts[@]}" -gt 10 ] && [ "${#lists[@]}" -ge 3 ] || return 1
    echo "==> ${#parts[@]} Swift files and ${#lists[@]} property lists of the iOS shell" >>"$1"
    "$root_dir/scripts/in-swift.sh" swiftc -frontend -parse -swift-version 6 "${parts[@]}" >>"$1" 2>&1 &&
        python3 -c 'import plistlib, sys; [plistlib.load(open(name, "rb")) for name in sys.argv[1:]]' "${lists[@]}" >>"$1" 2>&1
}

leg_swift() {
    local log=$reports_dir/test-swift.log reports=$reports_dir/swift begun=$SECONDS code=0 why
    local passed failed skipped
    if ! why=$("$root_dir/scripts/setup-swift.sh"); then
        skip_leg swift "$why"
        return
    fi
    if ! why=$("$root_dir/scripts/in-swift.sh" swift --version 2>&1); then
        skip_leg swift "${why#error: }"
        return
    fi
    if ! use_rust; then
        skip_leg swift "no Rust $(rust_floor) or newer on this machine"
        return
    fi
    rm -rf "$reports"
    mkdir -p "$reports"
    if ! foreign_parts "$log"; then
        close_leg swift "$begun" 1 0 0 0 "$log" " · the library or its bindings do not build"
        return
    fi
    say "swift: tests on $(head -n 1 <<<"$why")"
    # Apple's frameworks are not here: of the guide's screens the syntax alone can be checked.
    if ! "$root_dir/scripts/in-swift.sh" swiftc -frontend -parse -swift-version 6 "$target_dir/guides/ios/IosScreens.swift" >>"$log" 2>&1; then
        grep -E 'error:' "$log" | head -n 20 >&2
        close_leg swift "$begun" 1 0 0 0 "$log" " · the screens of docs/guides/ios.md do not parse"
        return
    fi
    # The root has no ffmpeg: the clips are made outside.
    if ! "$UNSPOOL_ORIGIN_PROGRAM" catalogue --clips 6 >>"$log" 2>&1; then
        tail -n 20 "$log" >&2
        close_leg swift "$begun" 1 0 0 0 "$log" " · the clips cannot be made"
        return
    fi
    swift_tests swift "$begun" "$log" UnspoolPackageTests

    begun=$SECONDS log=$reports_dir/test-ios.log
    say "ios: the shell's logic, and the syntax of its views"
    : >"$log"
    if ! ios_reads "$log"; then
        grep -E 'error|Error' "$log" | head -n 20 >&2
        close_leg ios "$begun" 1 0 0 0 "$log" " · a view does not parse, or a property list is none"
        return
    fi
    swift_tests ios "$begun" "$log" UnspoolIosPackageTests --ios
}
