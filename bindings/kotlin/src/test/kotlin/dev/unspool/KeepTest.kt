package dev.unspool

import kotlinx.coroutines.flow.first
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.api.io.TempDir
import java.nio.file.Files
import java.nio.file.Path

class KeepTest {
    @Test
    fun `what is kept plays without a network and is a file`(@TempDir dir: Path) = test {
        Origin(dir.resolve("origin")).use { origin ->
            val core = dir.resolve("core")
            lateinit var kept: KeptAsset
            withUnspool(configOf(core, origin)) { session ->
                val feed = session.feed(FeedKind.ForYou)
                val card = feed.next()
                val estimate = feed.keepEstimate(listOf(card.item.id))
                assertTrue(estimate.fits)
                assertEquals(1uL, estimate.assets)
                assertEquals(estimate.assets, feed.keep(listOf(card.item.id)).assets)
                kept = inTime("all of it is here") {
                    session.keptSnapshots().first { it.kept.first().state == KeepState.Complete }.kept.first()
                }
                assertEquals(kept.totalBytes, kept.heldBytes)
                assertTrue(session.status().byPurpose.offline.network > 0uL)
                val asset = kept.item.assetId
                assertTrue(session.gatewayUrl(asset, kept.rendition).startsWith("http://127.0.0.1:"))
                session.localFile(asset, kept.rendition).use {
                    assertEquals(kept.totalBytes.toLong(), Files.size(Path.of(it.path())))
                }
                assertThrows<UnspoolException.NotComplete> { session.localFile(asset, "no") }
            }
            withUnspool(configOf(core, origin, conditions = Conditions(online = false))) { session ->
                val feed = session.feed(FeedKind.Kept)
                val card = feed.next()
                assertEquals(kept.item.id, card.item.id)
                Follower(feed).firstFrame(card.position)
                assertEquals(0uL, session.status().bytes.network)
                val assets = listOf(kept.item.assetId)
                session.pauseKeep(assets)
                assertEquals(KeepState.Complete, session.kept().kept.first().state, "there is nothing to pause")
                session.resumeKeep(assets)
                assertTrue(session.forgetKept(assets) > 0uL)
                assertTrue(session.kept().kept.isEmpty())
            }
        }
    }
}
