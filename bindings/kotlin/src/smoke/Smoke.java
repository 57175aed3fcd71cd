/** Loads the native library out of the jar and checks that it fits the generated code; what `make release` tries on its jar. */
class Smoke {
    public static void main(String[] arguments) {
        if (System.getProperty("jna.library.path") != null) throw new IllegalStateException("the library is to come from the jar");
        dev.unspool.Unspool_ffiKt.uniffiEnsureInitialized();
        try (var token = new dev.unspool.CancelToken()) {
            token.cancel();
            if (!token.isCancelled()) throw new IllegalStateException("a call came back wrong");
        }
        System.out.println("the library in the jar answers");
    }
}
