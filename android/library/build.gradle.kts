// The archive an app embeds: the generated bindings, the Kotlin layer over them, the presenters, and what touches Android.
// scripts/bindings.sh writes the bindings, and the native build puts the core into target/android/jniLibs, before Gradle runs.
plugins {
    alias(libs.plugins.android.library)
    alias(libs.plugins.kotlin.android)
}

android {
    namespace = "dev.unspool.android"
    compileSdk = libs.versions.compileSdk.get().toInt()
    defaultConfig {
        minSdk = libs.versions.minSdk.get().toInt()
        consumerProguardFiles("consumer-rules.pro", "../../bindings/kotlin/consumer-rules.pro")
    }
    sourceSets["main"].run {
        kotlin.srcDirs("../presenters/src/main/kotlin", "../../bindings/kotlin/src/main/kotlin", "../../target/ffi/kotlin")
        jniLibs.srcDir("../../target/android/jniLibs")
    }
    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }
}

kotlin { jvmToolchain(17) }

dependencies {
    api(libs.coroutines.core)
    implementation(libs.coroutines.android)
    // Android's archive, which holds JNA's native half for every processor.
    implementation(libs.jna) { artifact { type = "aar" } }
}
