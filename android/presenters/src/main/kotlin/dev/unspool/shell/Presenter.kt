package dev.unspool.shell

import dev.unspool.UnspoolException
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Job
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.launch
import kotlinx.coroutines.sync.Mutex
import kotlinx.coroutines.sync.withLock

/**
 * The logic of one screen: it holds what the screen shows, and is told what the person does.
 *
 * Everything it begins runs in [scope], which the shell cancels with the screen; what was begun in the core and writes goes on.
 * A call that fails puts a [Trouble] in its place and never throws at the shell. Methods may be called on any thread.
 */
public abstract class Presenter<View : Any>(protected val scope: CoroutineScope, first: View) {
    private val shown = MutableStateFlow(first)
    private val order = Mutex()

    /** What the screen shows, now and from now on. */
    public val view: StateFlow<View> = shown.asStateFlow()

    protected fun show(change: (View) -> View) {
        while (true) {
            val now = shown.value
            if (shown.compareAndSet(now, change(now))) return
        }
    }

    /** Puts a trouble on the screen. */
    protected abstract fun trouble(trouble: Trouble)

    /** Runs [body] after everything begun before it. */
    protected fun inOrder(body: suspend () -> Unit): Job = begin { order.withLock { body() } }

    /** Runs [body] at once, beside what runs already. */
    protected fun begin(body: suspend () -> Unit): Job = scope.launch(start = CoroutineStart.UNDISPATCHED) {
        try {
            body()
        } catch (failed: UnspoolException) {
            Trouble.of(failed)?.let(::trouble)
        }
    }
}
