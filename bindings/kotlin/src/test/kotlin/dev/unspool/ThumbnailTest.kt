package dev.unspool

import kotlinx.coroutines.flow.first
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNotNull
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.api.io.TempDir
import java.nio.file.Path

/** Still pictures: through the core, once, also without a network, none of what is covered, and nothing but pictures. */
class ThumbnailTest {
    @Test
    fun `a picture comes through the core and stays with what is kept`(@TempDir dir: Path) = test {
        Origin(dir.resolve("origin")).use { origin ->
            val core = dir.resolve("core")
            origin.label(origin.offered(2)[1], "nobody_knows_this")
            lateinit var item: String
            lateinit var ahead: String
            lateinit var picture: ByteArray
            withUnspool(configOf(core, origin)) { session ->
                session.setSafety(SafetySettings(AgeBand.ADULT))
                val feed = session.feed(FeedKind.NonProfiled)
                item = feed.next().item.id
                val first = checkNotNull(session.thumbnail(item))
                assertEquals("image/png", first.mediaType)
                assertEquals("PNG", first.data.decodeToString(1, 4))
                picture = first.data
                assertThrows<UnspoolException.NoSuchCard> { session.thumbnail("nobody") }
                val covered = feed.next().item.id
                assertEquals(listOf(covered), assertThrows<UnspoolException.Withheld> { session.thumbnail(covered) }.items)
                ahead = feed.peek(1u).first().id
                origin.fault("""{"path_prefix":"/thumbnails/","action":{"kind":"status","status":404}}""")
                val refused = assertThrows<UnspoolException.Thumbnail> { session.thumbnail(ahead) }
                assertEquals(ThumbnailTrouble.REFUSED, refused.trouble)
                assertNotNull(session.thumbnail(ahead), "a refusal is not kept")
                feed.keep(listOf(item))
                inTime("all of it is here") {
                    session.keptSnapshots().first { it.kept.firstOrNull()?.state == KeepState.Complete }
                }
            }
            withUnspool(configOf(core, origin, conditions = Conditions(online = false))) { session ->
                assertArrayEquals(picture, session.thumbnail(item)?.data)
                assertThrows<UnspoolException.NoSuchCard> { session.thumbnail(ahead) }
                assertEquals(0uL, session.status().bytes.network)
            }
        }
    }
}
