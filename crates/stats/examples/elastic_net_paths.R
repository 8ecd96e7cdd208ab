# CPU seconds of glmnet on the data of elastic_net_paths.rs, and the largest difference between the
# coefficients of the last penalty, for its default threshold (1e-7) and for 1e-13.
# Debian: apt-get install r-cran-glmnet.
# Rscript crates/stats/examples/elastic_net_paths.R FOLDER
suppressPackageStartupMessages(library(glmnet))
folder <- commandArgs(trailingOnly = TRUE)[1]
numbers <- function(name) {
  path <- file.path(folder, name)
  readBin(path, "double", file.size(path) / 8, endian = "little")
}
is_case <- numbers("is_case.f64")
features <- matrix(numbers("features.f64"), nrow = length(is_case))
cat("l1_ratio\tend\tpenalties\tdosages\t",
  "cpu_s\tlargest_difference\tprecise_cpu_s\tlargest_difference\n",
  sep = "")
for (l1_ratio in c("0.1", "0.5", "0.9")) for (end in c("patience", "all")) {
  lambdas <- numbers(sprintf("lambdas-%s-%s.f64", l1_ratio, end))
  ours <- numbers(sprintf("last-%s-%s.f64", l1_ratio, end))
  fitted <- function(thresh) {
    glmnet(features, is_case, family = "binomial", alpha = as.numeric(l1_ratio), lambda = lambdas,
      standardize = FALSE, thresh = thresh)
  }
  last <- function(fit) as.vector(coef(fit)[, ncol(fit$beta)])
  seconds <- system.time(fit <- fitted(1e-7))[["user.self"]]
  precise_seconds <- system.time(precise <- fitted(1e-13))[["user.self"]]
  cat(l1_ratio, end, length(lambdas), sum(last(fit)[-1] != 0), round(seconds, 3),
    signif(max(abs(last(fit) - ours)), 2), round(precise_seconds, 3),
    signif(max(abs(last(precise) - ours)), 2), sep = "\t")
  cat("\n")
}
