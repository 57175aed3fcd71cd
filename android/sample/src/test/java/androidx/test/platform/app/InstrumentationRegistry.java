// What Robolectric calls of androidx.test, which Maven Central does not have; these tests listen to none of it.
package androidx.test.platform.app;

public final class InstrumentationRegistry {
    public static void registerInstance(android.app.Instrumentation instrumentation, android.os.Bundle arguments) {}
}
