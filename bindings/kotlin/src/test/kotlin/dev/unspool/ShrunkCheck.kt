package dev.unspool

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNotEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import java.io.File
import java.nio.file.Path
import java.util.concurrent.TimeUnit
import java.util.zip.ZipFile
import kotlin.io.path.div
import kotlin.io.path.writeText

/**
 * The rules for shrinkers: an app of which only `main` is kept works with `consumer-rules.pro`, and does not without.
 *
 * ProGuard shrinks and renames the library, its dependencies and [app.shrunk.main] with the rules that each jar brings, as Android's
 * build does; R8 reads the same rules and is not on Maven's central repository. ProGuard's optimising is off: it merges
 * classes of coroutines into what a JVM refuses, with rules and without, and R8's is another program. Run by
 * `scripts/check-shrunk.sh`, not with the tests: it shrinks all of Kotlin's library twice.
 */
class ShrunkCheck {
    @Test
    fun `a shrunk app calls, is called, and is told errors`(@TempDir dir: Path) {
        val said = shrunk(dir, listOf("-include '${System.getProperty("unspool.rules")}'"))
        assertEquals(0, said.code, said.words)
        val expected = """
            error: another session owns the data directory; shut that one down first
            asked for a token
            error: the backend failed: no token now: unexpected: app.shrunk.NoAccountHere; try again later
            asked for a token
            topics: true
            card: true
            ended
        """.trimIndent()
        assertEquals(expected, said.words.trim())
    }

    @Test
    fun `without the rules it does not work`(@TempDir dir: Path) {
        // Also without those that keep warnings from ending the build.
        val said = shrunk(dir, listOf("-ignorewarnings"))
        assertNotEquals(0, said.code, said.words)
        assertTrue("java.lang.UnsatisfiedLinkError" in said.words, said.words)
    }

    private class Said(val code: Int, val words: String)

    /** Shrinks the program with these rules beside its dependencies' own, and runs it against a reference server. */
    private fun shrunk(dir: Path, rules: List<String>): Said {
        val classes = System.getProperty("unspool.classes")
        val tests = Path.of(classes).resolveSibling("test-classes")
        val jars = System.getProperty("java.class.path").split(File.pathSeparator)
        val libraries = jars.filter { jar -> LIBRARIES.any { Regex("$it-[0-9].*[.]jar").matches(File(jar).name) } }
        assertEquals(LIBRARIES.size, libraries.size, "$libraries")
        val app = dir / "app.jar"
        val configuration = dir / "app.pro"
        configuration.writeText(
            buildString {
                appendLine("-injars '$classes'")
                appendLine("-injars '$tests'(app/shrunk/**)")
                libraries.forEach { appendLine("-injars '$it'(!META-INF/versions/**,!META-INF/MANIFEST.MF)") }
                appendLine("-outjars '$app'")
                listOf("java.base", "java.logging").forEach { appendLine("-libraryjars '$java/jmods/$it.jmod'(!**.jar;!module-info.class)") }
                appendLine("-dontoptimize")
                appendLine("-dontnote **")
                // It is in Android's framework, and in no JVM.
                appendLine("-dontwarn android.annotation.SuppressLint")
                appendLine("-keep class app.shrunk.ProgramKt { public static void main(java.lang.String[]); }")
                libraries.forEach { append(ownRules(it)) }
                rules.forEach { appendLine(it) }
            },
        )
        run(dir / "shrinking", 0, "-cp", jars.joinToString(File.pathSeparator), "proguard.ProGuard", "@$configuration")
        return Origin(dir / "origin").use { origin ->
            run(
                dir / "said", null, "-Djna.library.path=${System.getProperty("jna.library.path")}", "--enable-native-access=ALL-UNNAMED",
                "-cp", "$app", "app.shrunk.ProgramKt", "${dir / "core"}", origin.url,
            )
        }
    }

    /** Runs Java and gives what it ended with and said; [code] is what it must end with, if anything. */
    private fun run(output: Path, code: Int?, vararg arguments: String): Said {
        val process = ProcessBuilder("$java/bin/java", *arguments).redirectErrorStream(true).redirectOutput(output.toFile()).start()
        try {
            assertTrue(process.waitFor(10, TimeUnit.MINUTES), "it does not end")
        } finally {
            process.destroyForcibly()
        }
        val said = Said(process.exitValue(), output.toFile().readText())
        if (code != null) assertEquals(code, said.code, said.words)
        return said
    }

    /** The rules that a jar brings for those who shrink it. */
    private fun ownRules(jar: String): String = ZipFile(jar).use { zip ->
        zip.entries().asSequence().filter { it.name.startsWith("META-INF/proguard/") && !it.isDirectory }
            .joinToString("") { zip.getInputStream(it).reader().readText() + "\n" }
    }

    private companion object {
        val LIBRARIES = listOf("kotlin-stdlib", "kotlinx-coroutines-core-jvm", "jna", "annotations")
        val java: String = System.getProperty("java.home")
    }
}
