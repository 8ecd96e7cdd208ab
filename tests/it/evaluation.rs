mod report_browser;
mod report_multiqc;
