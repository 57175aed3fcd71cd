// The Android shell as Android Studio opens it. CI has neither Gradle's Android plugin nor AndroidX: see README.md for what is proved.
pluginManagement {
    repositories {
        google()
        mavenCentral()
        gradlePluginPortal()
    }
}

dependencyResolutionManagement {
    repositoriesMode.set(RepositoriesMode.FAIL_ON_PROJECT_REPOS)
    repositories {
        google()
        mavenCentral()
    }
}

rootProject.name = "unspool-android"
include(":library", ":media3", ":work", ":sample")
