# Coefficients, standard errors and log-likelihood that the tests of src/regression.rs expect of R's glm: Rscript tests/oracles/regression.R
options(digits = 12)
dose <- c(0, 1, 2, 0, 1, 2, 0, 1, 2, 1)
age <- c(61, 70, 68, 75, 80, 66, 72, 77, 81, 64)
case <- c(0, 0, 1, 0, 1, 1, 1, 0, 1, 0)
show <- function(fit) {
  cat(coef(fit), "\n", sqrt(diag(vcov(fit))), "\n", logLik(fit), "\n\n")
}
tight <- glm.control(epsilon = 1e-14, maxit = 100)
show(glm(case ~ dose + age, family = binomial, control = tight))
show(glm(case ~ 1, offset = dose, family = binomial, control = tight))
