package dev.unspool

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.api.io.TempDir
import java.nio.file.Path
import kotlin.io.path.readText

/** What a person may ask of what is held: all of it in a file, parts of it gone, and where media may come from. */
class PrivacyTest {
    @Test
    fun `what is held is exported and erased`(@TempDir dir: Path) = test {
        val config = configOf(dir.resolve("core"), origin = null, conditions = Conditions(online = false))
            .copy(backend = "http://127.0.0.1:9")
        val file = dir.resolve("export.json")
        withUnspool(config) { session ->
            session.setLiked("a-liked-item", true)
            session.setInterests(listOf("science"))
            session.exportData(file.toString()).use { export ->
                val written = export.run()
                assertEquals(written, export.progress())
                val text = file.readText()
                assertEquals(written.bytes, text.toByteArray().size.toULong())
                assertTrue("a-liked-item" in text && "science" in text)
            }
            assertThrows<UnspoolException.Config> { session.erase(listOf()) }
            session.erase(listOf(EraseScope.HISTORY, EraseScope.DEEDS))
            assertThrows<UnspoolException.ShutDown> { session.setLiked("i", true) }
        }
        withUnspool(config) { session ->
            assertNull(session.liked("a-liked-item"))
            assertTrue(session.interests().isEmpty())
        }
    }

    @Test
    fun `patterns of hosts are checked`(@TempDir dir: Path) = test {
        val config = configOf(dir.resolve("core"), origin = null, conditions = Conditions(online = false))
            .copy(backend = "http://127.0.0.1:9", mediaHosts = listOf("https://*.cdn.example"))
        withUnspool(config) { session -> assertEquals(0uL, session.outboundAfter(0uL).last) }
        assertThrows<UnspoolException.Config> {
            withUnspool(config.copy(mediaHosts = listOf("cdn.example"))) { }
        }
    }
}
