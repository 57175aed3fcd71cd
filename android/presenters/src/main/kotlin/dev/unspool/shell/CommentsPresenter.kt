package dev.unspool.shell

import dev.unspool.Comment
import dev.unspool.CommentState
import dev.unspool.Unspool
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Job

/**
 * A comment with its answers below it.
 *
 * @property waiting on this device, not yet at the server
 * @property refused why the server will not have it; the words stay until they are dismissed
 */
public data class Thread(val comment: Comment, val waiting: Boolean, val refused: String?, val answers: List<Thread>)

/** What the sheet of comments shows. */
public data class CommentsView(val threads: List<Thread> = emptyList(), val loaded: Boolean = false, val trouble: Trouble? = null)

/** The sheet of comments of one item: what is written is on disk at once and sent when it can be. */
public class CommentsPresenter(
    private val session: Unspool,
    private val item: String,
    scope: CoroutineScope,
) : Presenter<CommentsView>(scope, CommentsView()) {
    init {
        begin {
            load()
            var revision = 0uL
            while (true) {
                revision = session.intentsAfter(revision)
                load()
            }
        }
    }

    /** Writes a comment, or an answer to [parent]. */
    public fun send(text: String, parent: String? = null): Job = written { session.addComment(item, text.trim(), parent) }

    /** Changes the person's own words. */
    public fun edit(comment: String, text: String): Job = written { session.editComment(item, comment, text.trim()) }

    /** Deletes the person's own comment. */
    public fun delete(comment: String): Job = written { session.deleteComment(item, comment) }

    /** Takes one that was refused off the screen. */
    public fun dismiss(comment: String): Job = written { session.dismissComment(item, comment) }

    override fun trouble(trouble: Trouble): Unit = show { it.copy(trouble = trouble) }

    private fun written(write: suspend () -> Unit): Job = inOrder {
        show { it.copy(trouble = null) }
        write()
        load()
    }

    private suspend fun load() {
        val below = session.comments(item).groupBy { it.parent }
        val known = below.values.flatten().map { it.id }.toSet()
        // An answer to what is not here stands by itself.
        val top = below.filterKeys { it == null || it !in known }.values.flatten().sortedBy { it.atMs }
        show { it.copy(threads = top.map { one -> thread(one, below, MOST_DEEP) }, loaded = true) }
    }

    private fun thread(comment: Comment, below: Map<String?, List<Comment>>, depth: Int): Thread = Thread(
        comment,
        waiting = comment.state == CommentState.Waiting,
        refused = (comment.state as? CommentState.Refused)?.reason,
        answers = if (depth == 0) emptyList() else below[comment.id].orEmpty().map { thread(it, below, depth - 1) },
    )

    private companion object {
        /** Answers to answers that a sheet can show; a circle in what a server says ends here. */
        const val MOST_DEEP = 8
    }
}
