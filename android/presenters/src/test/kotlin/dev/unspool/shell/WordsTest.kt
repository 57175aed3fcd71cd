package dev.unspool.shell

import dev.unspool.Creator
import dev.unspool.Item
import dev.unspool.UnspoolException
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.time.Duration
import kotlin.time.Duration.Companion.seconds

class WordsTest {
    private fun item(name: String, alt: String, caption: String) =
        Item("a", "a", 1_000uL, Creator("c", "cleo", name), listOf(), caption, alt, listOf())

    @Test
    fun `a screen reader hears who, what and the caption, nothing twice`() {
        assertEquals("Cleo. A dog runs. Look!", Spoken.line(item("Cleo", "A dog runs", "Look!")))
        assertEquals("cleo. Look!", Spoken.line(item("", " Look! ", "Look!")))
        val long = Spoken.line(item("Cleo", "word ".repeat(200), ""))
        assertTrue(long.length <= Spoken.LONGEST + 1 && long.endsWith("word…"), long)
        assertEquals(Spoken.LONGEST + 1, Spoken.line(item("", "x".repeat(900), "")).length)
    }

    @Test
    fun `every error has its words and its remedy`() {
        assertNull(Trouble.of(UnspoolException.Cancelled()))
        assertNull(Trouble.of(UnspoolException.EndOfFeed()))
        val expected = mapOf(
            UnspoolException.Offline() to (Trouble.Kind.OFFLINE to Remedy.RETRY),
            UnspoolException.SignIn() to (Trouble.Kind.SIGNED_OUT to Remedy.SIGN_IN),
            UnspoolException.NoRoom(2uL, 1uL) to (Trouble.Kind.STORAGE_FULL to Remedy.FREE_SPACE),
            UnspoolException.Storage("full") to (Trouble.Kind.STORAGE to Remedy.FREE_SPACE),
            UnspoolException.InUse() to (Trouble.Kind.IN_USE to Remedy.RETRY),
            UnspoolException.Guarded(true) to (Trouble.Kind.GUARDED to Remedy.NONE),
            UnspoolException.WrongPasscode(Duration.ZERO, 1u) to (Trouble.Kind.WRONG_PASSCODE to Remedy.RETRY),
            UnspoolException.ShutDown() to (Trouble.Kind.ENDED to Remedy.NONE),
            UnspoolException.NotRevealable() to (Trouble.Kind.REFUSED to Remedy.NONE),
            UnspoolException.Internal("a fault") to (Trouble.Kind.BROKEN to Remedy.RETRY),
        )
        expected.forEach { (error, wanted) -> assertEquals(wanted, Trouble.of(error)!!.run { kind to remedy }, "$error") }
        val busy = Trouble.of(UnspoolException.Backend("503", Duration.ofSeconds(7)))!!
        assertEquals(Triple(Trouble.Kind.SERVER, 7.seconds, "503"), Triple(busy.kind, busy.after, busy.detail))
    }
}
