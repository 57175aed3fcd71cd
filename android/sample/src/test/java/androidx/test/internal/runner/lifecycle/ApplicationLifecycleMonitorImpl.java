// What Robolectric calls of androidx.test, which Maven Central does not have; these tests listen to none of it.
package androidx.test.internal.runner.lifecycle;

import androidx.test.runner.lifecycle.ApplicationLifecycleMonitor;
import androidx.test.runner.lifecycle.ApplicationStage;

public final class ApplicationLifecycleMonitorImpl implements ApplicationLifecycleMonitor {
    public void signalLifecycleChange(android.app.Application app, ApplicationStage stage) {}
}
