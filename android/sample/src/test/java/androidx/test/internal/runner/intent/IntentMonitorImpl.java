// What Robolectric calls of androidx.test, which Maven Central does not have; these tests listen to none of it.
package androidx.test.internal.runner.intent;

import androidx.test.runner.intent.IntentMonitor;

public final class IntentMonitorImpl implements IntentMonitor {
    public void signalIntent(android.content.Intent intent) {}
}
