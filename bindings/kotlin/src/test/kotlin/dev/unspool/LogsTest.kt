package dev.unspool

import kotlinx.coroutines.flow.first
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.api.io.TempDir
import java.nio.file.Path

class LogsTest {
    @Test
    fun `the core's lines are pulled, and a cancelled wait loses none`(@TempDir dir: Path) = test {
        assertTrue(setLogLevel(LogLevel.DEBUG))
        val before = mutableListOf<ULong>()
        withUnspool(configOf(dir, null).copy(backend = "http://127.0.0.1:9")) { session ->
            assertThrows<UnspoolException.Offline> { session.feed(FeedKind.ForYou).next() }
            val batch = inTime("a line") { logBatches().first { it.lines.isNotEmpty() } }
            assertEquals(0uL, batch.missed)
            assertTrue(batch.lines.all { it.target.startsWith("unspool") && it.text.isNotEmpty() && it.atMs > 0 }, "$batch")
            assertEquals(batch.lines.map { it.number }, (1uL..batch.last).toList())
            before += batch.last
        }
        assertTrue(setLogLevel(null))
        val token = CancelToken().apply { cancel() }
        assertThrows<UnspoolException.Cancelled> { logsAfter(1_000_000uL, token) }
        assertTrue(logsAfter(before.single() - 1uL).lines.first().number == before.single())
    }
}
