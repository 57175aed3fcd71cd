// What Robolectric calls of androidx.test, which Maven Central does not have; these tests listen to none of it.
package androidx.test.internal.runner.lifecycle;

import androidx.test.runner.lifecycle.ActivityLifecycleMonitor;
import androidx.test.runner.lifecycle.Stage;

public final class ActivityLifecycleMonitorImpl implements ActivityLifecycleMonitor {
    public void signalLifecycleChange(Stage stage, android.app.Activity activity) {}
}
