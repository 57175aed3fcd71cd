#!/usr/bin/env python3
"""Builds the sample's resources with aapt2 against the framework's own, as Android Studio would, without an SDK.

usage: resources.py FRAMEWORK_JAR OUT
Merges the library's manifest into the sample's, compiles both rooms' resources, links them, and writes
    OUT/java/...R.java                identifiers of the resources, for the compiler
    OUT/sample.ap_                    manifest and resources as a phone reads them
    OUT/test, OUT/robolectric-deps.properties    where the tests find the two
What aapt2 does not accept, and a name in the code that no resource has, end the build.
"""

import pathlib
import shutil
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as xml

HERE = pathlib.Path(__file__).resolve().parent
ANDROID = "http://schemas.android.com/apk/res/android"
PACKAGE = "dev.unspool.sample"


def merged(rooms: list[pathlib.Path], versions: dict[str, str]) -> xml.ElementTree:
    """The last room's manifest with what the others add: permissions, and what their application holds."""
    xml.register_namespace("android", ANDROID)
    *libraries, app = [xml.parse(room / "src/main/AndroidManifest.xml") for room in rooms]
    root = app.getroot()
    root.set("package", PACKAGE)
    sdk = xml.SubElement(root, "uses-sdk")
    sdk.set(f"{{{ANDROID}}}minSdkVersion", versions["minSdk"])
    sdk.set(f"{{{ANDROID}}}targetSdkVersion", versions["targetSdk"])
    application = root.find("application")
    for library in libraries:
        for part in library.getroot():
            if part.tag == "application":
                application.extend(part)
            elif part.tag not in {"uses-sdk"}:
                root.insert(0, part)
    return app


def run(*command: str) -> None:
    """Runs aapt2; its warnings about the framework's newer chunks are dropped, its errors end the build."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = [row for row in (done.stdout + done.stderr).splitlines() if " W " not in row]
    if said:
        print("\n".join(said), file=sys.stderr)
    if done.returncode:
        sys.exit(f"{command[0]} {command[1]} ended with {done.returncode}")


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit("usage: resources.py FRAMEWORK_JAR OUT")
    framework, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    if not shutil.which("aapt2"):
        sys.exit("aapt2 is not on this machine: Debian's package aapt has it")
    shutil.rmtree(out, ignore_errors=True)
    tests = out / "test" / "com" / "android" / "tools"
    tests.mkdir(parents=True)
    rooms = [HERE / "library", HERE / "sample"]
    versions = tomllib.loads((HERE / "gradle" / "libs.versions.toml").read_text())["versions"]
    manifest, package = out / "AndroidManifest.xml", out / "sample.ap_"
    merged(rooms, versions).write(manifest, encoding="utf-8", xml_declaration=True)
    compiled = []
    for room in rooms:
        compiled.append(out / f"{room.name}.zip")
        run("aapt2", "compile", "--dir", str(room / "src/main/res"), "-o", str(compiled[-1]))
    run(
        "aapt2", "link", "-I", str(framework), "--manifest", str(manifest), "--java", str(out / "java"),
        "-o", str(package), *map(str, compiled),
    )  # fmt: skip
    (tests / "test_config.properties").write_text(
        f"android_merged_manifest={manifest}\nandroid_resource_apk={package}\nandroid_custom_package={PACKAGE}\n"
    )
    (out / "robolectric-deps.properties").write_text(
        "\\:".join(["org.robolectric", "android-all", framework.parent.name]) + f"={framework}\n"
    )


main()
