process GFGENOMICS_PRS {
    tag "${meta.id}"
    label 'process_medium'

    conda "${moduleDir}/environment.yml"
    // Built by packaging/Dockerfile.
    container "gf-genomics:0.1.0"

    input:
    tuple val(meta), path(vcf), path(index)
    path scoring_files
    path cohort

    output:
    tuple val(meta), path("${prefix}/raw_scores.csv"), emit: raw_scores, optional: true
    tuple val(meta), path("${prefix}/match_log.csv"), emit: match_log, optional: true
    tuple val(meta), path("${prefix}/predictions.csv"), emit: predictions, optional: true
    tuple val(meta), path("${prefix}"), emit: folder
    tuple val("${task.process}"), val('gf-genomics'), eval("gf-genomics --version | sed 's/.* //'"), topic: versions, emit: versions_gfgenomics

    when:
    task.ext.when == null || task.ext.when

    script:
    def args = task.ext.args ?: ''
    prefix = task.ext.prefix ?: "${meta.id}"
    def scores = [scoring_files].flatten().collect { file -> "--scoring-file ${file}" }.join(' ')
    def phenotypes = cohort ? "--cohort ${cohort}" : ''
    """
    gf-genomics prs \\
        --vcf ${vcf} \\
        ${scores} \\
        ${phenotypes} \\
        --threads ${task.cpus} \\
        ${args} \\
        --out ${prefix}
    """

    stub:
    prefix = task.ext.prefix ?: "${meta.id}"
    """
    mkdir ${prefix}
    touch ${prefix}/raw_scores.csv ${prefix}/match_log.csv
    """
}
