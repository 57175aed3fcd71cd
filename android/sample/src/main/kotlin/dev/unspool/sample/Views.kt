package dev.unspool.sample

import android.content.Context
import android.graphics.Color
import android.view.Gravity
import android.view.View
import android.view.ViewGroup
import android.widget.Button
import android.widget.LinearLayout
import android.widget.Switch
import android.widget.TextView
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.launch

// Views of the framework, made in code: text in sp, so that it grows with the person's setting, and nothing smaller to
// touch than a finger (48 dp).

private const val TOUCH_DP = 48
private const val PADDING_DP = 16

internal fun Context.dp(size: Int): Int = (size * resources.displayMetrics.density).toInt()

internal fun Context.column(gravity: Int = Gravity.START): LinearLayout = LinearLayout(this).apply {
    orientation = LinearLayout.VERTICAL
    this.gravity = gravity
    setPadding(dp(PADDING_DP), dp(PADDING_DP), dp(PADDING_DP), dp(PADDING_DP))
}

internal fun Context.label(text: CharSequence = "", sizeSp: Float = 16f): TextView = TextView(this).apply {
    this.text = text
    textSize = sizeSp
    setTextColor(Color.WHITE)
    setShadowLayer(4f, 0f, 0f, Color.BLACK)
}

internal fun Context.heading(text: Int): TextView = label(getString(text), 22f).apply {
    isAccessibilityHeadingWhereKnown = true
}

internal fun Context.button(text: Int, tapped: () -> Unit): Button = button(getString(text), tapped)

internal fun Context.button(text: String, tapped: () -> Unit): Button = Button(this).apply {
    this.text = text
    isAllCaps = false
    minHeight = dp(TOUCH_DP)
    minWidth = dp(TOUCH_DP)
    setOnClickListener { tapped() }
}

/** A switch that tells only what a person did. */
internal fun Context.toggle(text: Int, on: Boolean, switched: (Boolean) -> Unit): Switch = Switch(this).apply {
    this.text = getString(text)
    textSize = 16f
    minHeight = dp(TOUCH_DP)
    isChecked = on
    setOnClickListener { switched(isChecked) }
}

internal fun ViewGroup.fill(view: View) {
    addView(view, ViewGroup.LayoutParams(ViewGroup.LayoutParams.MATCH_PARENT, ViewGroup.LayoutParams.MATCH_PARENT))
}

/** Shown or gone; what is gone is neither touched nor read aloud. */
internal var View.shown: Boolean
    get() = visibility == View.VISIBLE
    set(value) {
        visibility = if (value) View.VISIBLE else View.GONE
    }

private var View.isAccessibilityHeadingWhereKnown: Boolean
    get() = android.os.Build.VERSION.SDK_INT >= android.os.Build.VERSION_CODES.P && isAccessibilityHeading
    set(value) {
        if (android.os.Build.VERSION.SDK_INT >= android.os.Build.VERSION_CODES.P) isAccessibilityHeading = value
    }

/** Draws what is to be shown, each time that it changed. */
internal fun <T> CoroutineScope.draw(view: StateFlow<T>, draw: (T) -> Unit) {
    launch { view.collect { draw(it) } }
}
