package dev.unspool.android

import android.content.Context

/**
 * Hands the app's context to the verifier of certificates, which asks Android's own trust store through it.
 *
 * The native half is `Java_dev_unspool_android_Trust_initialise` in the core. It is called once a process, before the first
 * session is opened; a second call does no harm.
 */
internal object Trust {
    init {
        System.loadLibrary("unspool_ffi")
    }

    external fun initialise(context: Context)
}
