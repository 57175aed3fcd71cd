package dev.unspool.shell

import dev.unspool.FeedKind
import java.net.URI
import java.net.URISyntaxException
import java.net.URLDecoder
import java.net.URLEncoder

/**
 * Where a link leads: `https://HOST/video/ID`, `/topic/ID`, `/creator/ID`, `/following`, `/learn`, `/kept`, or the same after
 * the app's own scheme, `unspool://video/ID`.
 *
 * A link comes from anywhere, so it may choose what is looked at and never what is done: nothing is liked, followed or bought by one.
 */
public sealed interface DeepLink {
    /** One video: the usual feed, which begins with it. */
    public data class Video(val id: String) : DeepLink

    /** A creator's page. */
    public data class Creator(val id: String) : DeepLink

    /** A feed by its name. */
    public data class Open(val kind: FeedKind) : DeepLink

    /** The feed to open: that of the link, else the usual one. */
    public val feed: FeedKind
        get() = (this as? Open)?.kind ?: FeedKind.ForYou

    /** The item that feed begins with. */
    public val first: String?
        get() = (this as? Video)?.id

    public companion object {
        /** The app's own scheme, for links that no browser should see. */
        public const val SCHEME: String = "unspool"

        /** Longest link that is read. */
        public const val LONGEST: Int = 2_048

        /** Longest identifier in a link. */
        private const val LONGEST_ID: Int = 512

        /** Longest identifier of a video: what the core takes for one. */
        private const val LONGEST_VIDEO: Int = 128

        /** Reads a link; null where it is none of ours. [hosts] are those whose `https` links the app handles. */
        public fun parse(link: String, hosts: Set<String>): DeepLink? {
            if (link.length > LONGEST) return null
            val uri = try {
                URI(link)
            } catch (_: URISyntaxException) {
                return null
            }
            val parts = when {
                uri.rawUserInfo != null || uri.port != -1 -> return null
                uri.scheme.equals("https", ignoreCase = true) && uri.host?.lowercase() in hosts -> segments(uri.rawPath)
                uri.scheme.equals(SCHEME, ignoreCase = true) -> listOfNotNull(uri.rawAuthority) + segments(uri.rawPath)
                else -> return null
            }
            return of(parts.map { decoded(it) ?: return null })
        }

        /** The link to a video that is shared. */
        public fun video(host: String, id: String): String =
            "https://$host/video/" + URLEncoder.encode(id, Charsets.UTF_8).replace("+", "%20")

        private fun segments(path: String?): List<String> = path.orEmpty().split('/').filter { it.isNotEmpty() }

        private fun decoded(part: String): String? = try {
            // A plus is a plus in a path.
            URLDecoder.decode(part.replace("+", "%2B"), Charsets.UTF_8)
                .takeIf { it.length <= LONGEST_ID && it.none(Char::isISOControl) }
        } catch (_: IllegalArgumentException) {
            null
        }

        private fun of(parts: List<String>): DeepLink? = when (parts.size) {
            1 -> when (parts[0]) {
                "following" -> Open(FeedKind.Following)
                "learn" -> Open(FeedKind.Learn)
                "kept" -> Open(FeedKind.Kept)
                else -> null
            }
            2 -> when (parts[0]) {
                "video" -> parts[1].takeIf { id -> id.length <= LONGEST_VIDEO && id.all { it in '!'..'~' } }?.let(::Video)
                "creator" -> Creator(parts[1])
                "topic" -> Open(FeedKind.Topic(parts[1]))
                else -> null
            }
            else -> null
        }
    }
}
