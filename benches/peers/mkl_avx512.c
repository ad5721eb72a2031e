/* MKL asks this of itself before it uses AVX-512; on other vendors' processors it answers no. Preloaded by the tuned sides. */
int mkl_serv_intel_cpu_true(void) { return 1; }
