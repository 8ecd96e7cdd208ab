mod plink2_parity;
