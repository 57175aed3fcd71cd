// What Robolectric calls of androidx.test, which Maven Central does not have; these tests listen to none of it.
package androidx.test.runner.intent;

public final class IntentStubberRegistry {
    public static boolean isLoaded() {
        return false;
    }
}
