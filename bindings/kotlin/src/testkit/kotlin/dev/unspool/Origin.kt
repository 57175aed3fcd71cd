package dev.unspool

import kotlinx.coroutines.delay
import kotlinx.coroutines.withTimeout
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import kotlinx.serialization.json.long
import java.net.URI
import java.net.http.HttpClient
import java.net.http.HttpRequest
import java.net.http.HttpRequest.BodyPublishers
import java.net.http.HttpResponse.BodyHandlers
import java.nio.file.Path
import java.util.concurrent.TimeUnit
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

/** A wait that lasts longer has failed. */
val PATIENCE: Duration = 30.seconds

private val http: HttpClient = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build()

/** Asks over HTTP and gives the JSON that is answered; anything but a success throws. */
fun askJson(method: String, url: String, body: String? = null, token: String? = null): JsonElement {
    val request = HttpRequest.newBuilder(URI.create(url)).timeout(java.time.Duration.ofSeconds(10))
        .method(method, body?.let(BodyPublishers::ofString) ?: BodyPublishers.noBody())
    if (body != null) request.header("content-type", "application/json")
    if (token != null) request.header("authorization", "Bearer $token")
    val answer = http.send(request.build(), BodyHandlers.ofString())
    check(answer.statusCode() in 200..299) { "$method ${URI.create(url).path}: ${answer.statusCode()} ${answer.body()}" }
    return Json.parseToJsonElement(answer.body())
}

/** The reference server in a process of its own; it ends with this one. */
class Origin(state: Path, vararg more: String) : AutoCloseable {
    private val process: Process
    /** Where the contract is spoken. */
    val url: String
    private val control: String

    init {
        val program = checkNotNull(System.getenv("UNSPOOL_ORIGIN_PROGRAM")) {
            "UNSPOOL_ORIGIN_PROGRAM must name the origin-process program"
        }
        val pid = ProcessHandle.current().pid().toString()
        process = ProcessBuilder(program, "--state", state.toString(), "--clips", "6", "--parent-pid", pid, *more)
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start()
        val line = process.inputReader().readLine()
        val ready = Json.parseToJsonElement(checkNotNull(line) { "the origin ended at once" }).jsonObject
        url = ready.text("listening")
        control = ready.text("control")
    }

    fun get(path: String): JsonElement = askJson("GET", control + path)

    fun network(settings: String) {
        askJson("PUT", "$control/control/network", settings)
    }

    fun fault(fault: String) {
        askJson("POST", "$control/control/faults", fault)
    }

    fun clearFaults() {
        askJson("DELETE", "$control/control/faults")
    }

    /** Says what a moderator says of an item; its labels are these from now on. */
    fun label(item: String, vararg labels: String) {
        val names = JsonArray(labels.map(::JsonPrimitive))
        askJson("POST", "$control/control/labels", """{"id":"$item","labels":$names}""")
    }

    /** Hands out these signed safety rules. */
    fun putRules(signed: String) {
        askJson("PUT", "$control/control/rules", signed)
    }

    /** The first items of the non-profiled feed, in the server's order. */
    fun offered(count: Int): List<String> =
        askJson("GET", "$url/v1/feed?feed=non_profiled&limit=$count", token = "ada").jsonObject.list("items").map { it.text("id") }

    /** Takes the validity from a token. */
    fun revoke(token: String) {
        askJson("POST", "$control/control/tokens", """{"revoke":"$token"}""")
    }

    fun inFlight(): Long = get("/control/stats").jsonObject.number("in_flight")

    /** Different operations stored, of all actors. */
    fun operations(): Long = get("/control/stats").jsonObject.number("interactions")

    /** What an actor wants, by verb and target. */
    fun interactions(actor: String): List<JsonObject> =
        get("/control/interactions?actor=$actor").jsonObject.list("interactions")

    /** The reports of ada, as she is told of them. */
    fun reports(): List<JsonObject> = askJson("GET", "$url/v1/reports", token = "ada").jsonObject.list("reports")

    /** A moderator decides about a report. */
    fun decide(actor: String, target: String, outcome: String) {
        askJson("POST", "$control/control/reports", """{"actor":"$actor","target":"$target","outcome":"$outcome"}""")
    }

    /** Telemetry of an installation, each record once, in order. */
    fun records(installation: String): List<JsonObject> =
        get("/control/events?installation=$installation").jsonObject.list("events")

    override fun close() {
        process.destroy()
        if (!process.waitFor(5, TimeUnit.SECONDS)) process.destroyForcibly().waitFor()
    }
}

fun JsonObject.text(name: String): String = getValue(name).jsonPrimitive.content
fun JsonObject.number(name: String): Long = getValue(name).jsonPrimitive.long
fun JsonObject.list(name: String): List<JsonObject> = getValue(name).jsonArray.map { it.jsonObject }

/** The number in a field, or null where it is null or absent. */
fun JsonObject.numberOrNull(name: String): Long? = (get(name) as? JsonPrimitive)?.content?.toLongOrNull()

/** Strings of a list. */
fun JsonObject.texts(name: String): List<String> = getValue(name).jsonArray.texts()
private fun JsonArray.texts() = map { it.jsonPrimitive.content }

/** Signed safety rules, and the `key` that signed those which are not forged. */
fun sharedRules(): JsonObject {
    val scenario = java.nio.file.Path.of(System.getProperty("unspool.scenario"))
    return Json.parseToJsonElement(scenario.resolveSibling("rules.json").toFile().readText()).jsonObject
}

/** Looks again until it is so, with a deadline. */
suspend fun eventually(what: String, isSo: suspend () -> Boolean) {
    try {
        withTimeout(PATIENCE) { while (!isSo()) delay(5.milliseconds) }
    } catch (_: kotlinx.coroutines.TimeoutCancellationException) {
        throw AssertionError("not in time: $what")
    }
}
