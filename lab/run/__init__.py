"""How a plan is carried out: Optuna hands out trials, workers run them, MLflow shows them."""
