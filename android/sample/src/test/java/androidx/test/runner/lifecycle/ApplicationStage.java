// What Robolectric calls of androidx.test, which Maven Central does not have; these tests listen to none of it.
package androidx.test.runner.lifecycle;

public enum ApplicationStage { PRE_ON_CREATE, CREATED }
