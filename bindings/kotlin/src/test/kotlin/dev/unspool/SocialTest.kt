package dev.unspool

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNotEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.api.io.TempDir
import kotlinx.serialization.json.jsonObject
import java.nio.file.Path

class SocialTest {
    private fun share(item: String) = listOf(
        Attribute("item", AttributeValue.Text(item)),
        Attribute("target", AttributeValue.Text("message")),
    )

    private fun gift(amount: ULong) = Order(PaymentCause.GIFT, "cleo", "rose", amount, "1")

    private suspend fun decided(session: Unspool, payment: String): Payment {
        var revision = 0uL
        while (true) {
            val found = session.payments().first { it.id == payment }
            if (found.state in listOf(PaymentState.CONFIRMED, PaymentState.DECLINED, PaymentState.CANCELLED)) return found
            revision = session.intentsAfter(revision)
        }
    }

    @Test
    fun `comments and payments arrive once`(@TempDir dir: Path) = test {
        Origin(dir.resolve("origin")).use { origin ->
            withUnspool(configOf(dir.resolve("core"), origin, conditions = Conditions(online = false))) { session ->
                val first = session.addComment("item", "frist")
                session.editComment("item", first, "first")
                val answer = session.addComment("item", "an answer", first)
                val never = session.addComment("item", "never")
                session.deleteComment("item", never)
                assertThrows<UnspoolException.Config> { session.addComment("item", " ") }
                assertEquals(
                    listOf("first" to CommentState.Waiting, "an answer" to CommentState.Waiting),
                    session.comments("item").map { it.text to it.state },
                )
                val payment = session.draftPayment(gift(100uL))
                session.confirmPayment(payment)
                session.cancelPayment(session.draftPayment(gift(1uL)))
                // The answer to the payment is lost: it is asked about, and not sent again.
                origin.fault("""{"path_prefix":"/v1/payments","action":{"kind":"reset","after_bytes":0}}""")
                session.setConditions(Conditions())
                val found = inTime("the payment is decided") { decided(session, payment) }
                assertEquals(PaymentState.CONFIRMED, found.state)
                assertEquals(900L, session.availableCoins())
                session.flush(PATIENCE)
                assertTrue(session.comments("item").all { it.state == CommentState.Sent })
                val stored = origin.get("/control/comments?actor=ada").jsonObject.list("comments")
                assertEquals(
                    mapOf(first to "first", answer to "an answer"),
                    stored.associate { it.text("id") to it.text("text") },
                )
                val paid = origin.get("/control/payments?actor=ada").jsonObject.list("payments")
                assertEquals(
                    listOf(Triple(payment, 100L, 1L)),
                    paid.map { Triple(it.text("op_id"), it.number("moved"), it.number("arrivals")) },
                )
                val lonely = session.addComment("item", "to nobody", "nobody")
                session.flush(PATIENCE)
                val refused = session.refusedComments().single()
                assertEquals(lonely to "to nobody", refused.id to refused.text)
                assertEquals(CommentState.Refused("parent_gone"), refused.state)
                assertTrue(session.dismissComment("item", lonely))
                assertFalse(session.dismissPayment(payment), "it was not refused")
            }
        }
    }

    @Test
    fun `wishes are shown at once and what is refused stays in sight`(@TempDir dir: Path) = test {
        Origin(dir.resolve("origin")).use { origin ->
            withUnspool(configOf(dir.resolve("core"), origin, conditions = Conditions(online = false))) { session ->
                // Longer than the server takes an identifier.
                val tooLong = "x".repeat(300)
                assertEquals(null, session.followed("cleo"))
                session.setFollowed("cleo", true)
                session.setSaved("item", true)
                session.setSaved("item", false)
                session.setSaved(tooLong, true)
                assertEquals(true, session.followed("cleo"))
                assertEquals(false, session.saved("item"))
                assertTrue(session.refusedIntents().isEmpty())
                session.setConditions(Conditions())
                val outgoing = session.flush(PATIENCE)
                assertEquals(2uL to 1uL, outgoing.intentsDelivered to outgoing.intentsWedged)
                val refused = session.refusedIntents().single()
                assertEquals(
                    RefusedIntent(refused.id, IntentVerb.SAVE, tooLong, true, "bad_target", refused.atMs),
                    refused,
                )
                assertTrue(refused.atMs > 0)
                assertEquals(null, session.saved(tooLong), "what the backend has is shown")
                assertTrue(session.dismissIntent(refused.id))
                assertFalse(session.dismissIntent(refused.id))
                assertTrue(session.refusedIntents().isEmpty())
                val wanted = origin.get("/control/interactions?actor=ada").jsonObject.list("interactions")
                assertEquals(
                    setOf("follow" to "cleo", "save" to "item"),
                    wanted.map { it.text("verb") to it.text("target") }.toSet(),
                )
            }
        }
    }

    @Test
    fun `records leave once and are listed and erased`(@TempDir dir: Path) = test {
        Origin(dir.resolve("origin")).use { origin ->
            withUnspool(configOf(dir.resolve("core"), origin)) { session ->
                val feed = session.feed(FeedKind.ForYou)
                Follower(feed).firstFrame(feed.next().position)
                feed.viewer(ViewerAction.Tapped(Tap.LIKE))
                feed.viewer(ViewerAction.Left(Place.COMMENTS))
                session.record("unspool.share", share("item-1"))
                assertTrue(session.recordDurable("unspool.share", share("item-2")))
                assertThrows<UnspoolException.Config> { session.record("unspool.share", emptyList()) }
                session.setPower(roaming = true, lowPower = true)
                session.suspend()
                assertTrue(session.recordDurable("unspool.share", share("item-3")))
                session.resume()
                session.setPower(roaming = false, lowPower = false)
                assertEquals(0uL, session.flush(PATIENCE).queued)
                val installation = session.status().installation
                val records = origin.records(installation)
                val items = records.filter { it.text("event_name") == "unspool.share" }
                    .map { it.getValue("attributes").jsonObject.text("item") }
                assertEquals(listOf("item-1", "item-2", "item-3"), items.sorted())
                val viewing = records.first { it.text("event_name") == "unspool.impression" }
                assertEquals("comments", viewing.getValue("attributes").jsonObject.text("exit"))
                assertTrue(viewing.getValue("attributes").jsonObject.text("taps").startsWith("like@"))

                val listed = session.outboundAfter(0uL)
                assertEquals(setOf(origin.url.removePrefix("http://")), listed.requests.map { it.host }.toSet())
                val purposes = listed.requests.map { it.purpose }
                assertTrue(
                    purposes.containsAll(
                        listOf(OutboundPurpose.FEED, OutboundPurpose.MEDIA, OutboundPurpose.TELEMETRY),
                    ),
                )
                assertEquals(0uL, session.outboundAfter(listed.last).forgotten)

                session.setConsent(listOf(Purpose.QUALITY))
                assertFalse(session.recordDurable("unspool.share", share("item-4")))
                session.eraseTelemetry()
                assertNotEquals(installation, session.status().installation)
                session.flush(PATIENCE)
                assertTrue(origin.records(installation).isEmpty())
            }
        }
    }
}
