package dev.unspool.shell

import dev.unspool.Conditions
import dev.unspool.FeedKind
import dev.unspool.Origin
import dev.unspool.Unspool
import dev.unspool.configOf
import dev.unspool.inTime
import dev.unspool.test
import dev.unspool.withUnspool
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.cancel
import kotlinx.coroutines.flow.first
import java.nio.file.Path

/** A session against a server of its own, and the scope of a screen. */
internal class Shell(val origin: Origin, val session: Unspool, val scope: CoroutineScope) {
    fun feed(kind: FeedKind = FeedKind.ForYou, first: String? = null) = FeedPresenter(session, session.feed(kind, first), scope, first)
}

internal fun shell(dir: Path, conditions: Conditions? = null, body: suspend Shell.() -> Unit) = test {
    Origin(dir.resolve("origin")).use { origin ->
        withUnspool(configOf(dir.resolve("core"), origin, conditions = conditions)) { session ->
            val screen = CoroutineScope(SupervisorJob() + Dispatchers.Default)
            try {
                Shell(origin, session, screen).body()
            } finally {
                screen.cancel()
            }
        }
    }
}

/** Waits until the screen shows what is wanted, and gives that. */
internal suspend fun <View : Any> Presenter<View>.until(what: String, wanted: (View) -> Boolean): View =
    inTime("$what; the screen shows ${view.value}") { view.first(wanted) }
